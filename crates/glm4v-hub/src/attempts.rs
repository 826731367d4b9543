use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::{HubError, Progress, Transfer};

/// Requests that are made again while there is hope.
#[derive(Clone, Copy)]
pub(crate) struct Attempts<'a> {
    pub(crate) transfer: &'a Transfer,
    pub(crate) progress: &'a dyn Progress,
    /// Set once there is no use in going on.
    pub(crate) stop: &'a AtomicBool,
}

/// A wait is looked up from this often.
const NAP: Duration = Duration::from_millis(100);

impl Attempts<'_> {
    /// Makes `request` until it succeeds, fails for good, or has failed too often.
    pub(crate) fn run<T>(
        self,
        mut request: impl FnMut() -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        for attempt in 0.. {
            let error = match request() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let asked = match &error {
                HubError::Status { retry_after, .. } => *retry_after,
                _ => None,
            };
            let wait = self.transfer.wait(attempt, asked);
            let Some(wait) = wait.filter(|_| error.is_passing() && !self.is_stopped()) else {
                return Err(error);
            };
            self.progress.retrying(&error, wait);
            self.sleep(wait);
        }
        unreachable!("the waits run out first")
    }

    pub(crate) fn is_stopped(self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn sleep(self, mut wait: Duration) {
        while !wait.is_zero() && !self.is_stopped() {
            let nap = wait.min(NAP);
            thread::sleep(nap);
            wait -= nap;
        }
    }
}
