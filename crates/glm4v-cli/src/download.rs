//! A fetch as its bar shows it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use glm4v::hub::{HubError, ModelId, Progress};
use indicatif::ProgressBar;

use crate::console::{Console, TICK};

/// Tells the console what a fetch does.
pub(crate) struct Download<'a> {
    console: &'a Console,
    bar: ProgressBar,
    fetched: AtomicU64,
}

impl<'a> Download<'a> {
    /// Nothing fetched yet.
    pub(crate) fn new(console: &'a Console) -> Self {
        Self {
            console,
            bar: console.byte_progress("fetching"),
            fetched: AtomicU64::new(0),
        }
    }

    /// Bytes of tensors that came over the network.
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }
}

impl Progress for Download<'_> {
    fn waiting(&self, model: &ModelId) {
        self.bar.suspend(|| {
            self.console.note(&format!(
                "another process is fetching {model}; waiting for it"
            ));
        });
    }

    fn started(&self, total: u64, done: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        // Noted, and then forgotten: the rate is that of the network, not of what was here before.
        self.bar.tick();
        self.bar.reset_eta();
        self.bar.enable_steady_tick(TICK);
    }

    fn advanced(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc(bytes);
    }

    fn retrying(&self, error: &HubError, wait: Duration) {
        self.bar.suspend(|| {
            self.console
                .detail(&format!("{error}; again in {:.1} s", wait.as_secs_f64()));
        });
    }
}
