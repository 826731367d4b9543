//! The progress bar of a download.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use glm4v::hub::{HubError, ModelId, Progress};
use indicatif::ProgressBar;

use crate::console::{Console, TICK};
use crate::interrupt;

/// Shows the progress of a download on the console.
pub(crate) struct Download<'a> {
    console: &'a Console,
    bar: ProgressBar,
    fetched: AtomicU64,
}

impl<'a> Download<'a> {
    /// A bar that appears when the download starts.
    pub(crate) fn new(console: &'a Console) -> Self {
        Self {
            console,
            bar: console.byte_progress("downloading"),
            fetched: AtomicU64::new(0),
        }
    }

    /// Removes the bar. Returns the bytes of tensors that were downloaded.
    pub(crate) fn finish(self) -> u64 {
        self.fetched.into_inner()
    }
}

impl Progress for Download<'_> {
    fn waiting(&self, model: &ModelId) {
        self.bar.suspend(|| {
            let text = format!("another process is downloading {model}; waiting for it");
            self.console.note(&text);
        });
    }

    fn started(&self, total: u64, done: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        // The rate counts from here: it must not include bytes that an earlier call downloaded.
        self.bar.tick();
        self.bar.reset_eta();
        self.bar.enable_steady_tick(TICK);
    }

    fn advanced(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc(bytes);
    }

    fn is_cancelled(&self) -> bool {
        interrupt::signal().is_some()
    }

    fn retrying(&self, error: &HubError, wait: Duration) {
        self.bar.suspend(|| {
            let seconds = wait.as_secs_f64();
            self.console
                .detail(&format!("{error}; next attempt in {seconds:.1} s"));
        });
    }
}
