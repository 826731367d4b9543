use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::StoreError;

/// Keeps other processes out of a directory. The operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock(
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")] File,
);

impl Lock {
    pub(super) const NAME: &str = "lock";

    pub(super) fn acquire(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(Self::NAME);
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy { dir: dir.into() }),
            Err(TryLockError::Error(source)) => Err(StoreError::io(&path)(source)),
        }
    }
}
