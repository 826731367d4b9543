use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::{HubError, Progress, Transfer};

/// Repeats requests that failed for a temporary reason.
#[derive(Clone, Copy)]
pub(crate) struct Attempts<'a> {
    pub(crate) transfer: &'a Transfer,
    pub(crate) progress: &'a dyn Progress,
    /// Set when another thread has failed.
    pub(crate) stop: &'a AtomicBool,
}

/// During a wait, `stop` is checked this often.
const CHECK_EVERY: Duration = Duration::from_millis(100);

impl Attempts<'_> {
    /// Repeats `request` until it succeeds, fails permanently, or has failed too often.
    pub(crate) fn run<T>(
        self,
        mut request: impl FnMut() -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        for attempt in 0.. {
            if self.progress.is_cancelled() {
                return Err(HubError::Cancelled);
            }
            let error = match request() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let requested = if let HubError::Status { retry_after, .. } = &error {
                *retry_after
            } else {
                None
            };
            let wait = self.transfer.wait(attempt, requested);
            let Some(wait) = wait.filter(|_| error.is_temporary() && !self.is_stopped()) else {
                return Err(error);
            };
            self.progress.retrying(&error, wait);
            self.sleep(wait);
        }
        unreachable!("the waits end first")
    }

    pub(crate) fn is_stopped(self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn sleep(self, mut wait: Duration) {
        while !wait.is_zero() && !self.is_stopped() && !self.progress.is_cancelled() {
            let nap = wait.min(CHECK_EVERY);
            thread::sleep(nap);
            wait -= nap;
        }
    }
}
