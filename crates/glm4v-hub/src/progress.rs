use std::time::Duration;

use crate::{HubError, ModelId};

/// What a fetch tells while it runs, from several threads. A method that is not written does nothing; `()` hears
/// nothing.
pub trait Progress: Sync {
    /// Another process is fetching `model`; this one waits for it.
    fn waiting(&self, model: &ModelId) {
        let _ = model;
    }

    /// The tower has `total` bytes, of which `done` were fetched before.
    fn started(&self, total: u64, done: u64) {
        let _ = (total, done);
    }

    /// `bytes` more are on disk.
    fn advanced(&self, bytes: u64) {
        let _ = bytes;
    }

    /// A request failed with `error` and is made again after `wait`.
    fn retrying(&self, error: &HubError, wait: Duration) {
        let _ = (error, wait);
    }
}

impl Progress for () {}
