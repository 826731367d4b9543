use std::time::Duration;

use crate::{HubError, ModelId};

/// Receives the progress of a fetch, and can cancel it. Several threads call it. The default methods do nothing, and `()` uses them all.
pub trait Progress: Sync {
    /// Another process is fetching `model`. This one waits for it.
    fn waiting(&self, model: &ModelId) {
        let _ = model;
    }

    /// The fetch starts. The tower has `total` bytes; `done` of them were fetched before.
    fn started(&self, total: u64, done: u64) {
        let _ = (total, done);
    }

    /// `bytes` more are on disk.
    fn advanced(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Whether the fetch should stop. It is asked before each request, while tensors arrive, and during waits.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// A request failed with `error`. It is repeated after `wait`.
    fn retrying(&self, error: &HubError, wait: Duration) {
        let _ = (error, wait);
    }
}

impl Progress for () {}
