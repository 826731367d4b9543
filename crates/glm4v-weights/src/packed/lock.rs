use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::key::Key;

const EXTENSION: &str = "lock";
/// Ends the name of a file while it is written.
pub(super) const TEMPORARY: &str = "tmp";
const TICK: Duration = Duration::from_millis(20);

/// The right to write an entry. The system takes it back when the process ends, however it ends. The lock file is never removed:
/// two processes could lock a removed file and a new one of the same name.
pub(super) struct Lock {
    _file: File,
    temporary: PathBuf,
}

impl Lock {
    /// Locks the entry of `key`. Waits at most `patience` for another process.
    pub(super) fn new(dir: &Path, key: &Key, patience: Duration) -> io::Result<Self> {
        create(dir)?;
        let entry = dir.join(key.file_name());
        let (file, start) = (open(&entry)?, Instant::now());
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < patience => thread::sleep(TICK),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::other("another process packs the same weights"));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(Self {
            _file: file,
            temporary: entry.with_extension(TEMPORARY),
        })
    }

    /// The name of the entry while it is written. Only the process with the lock writes it.
    pub(super) fn temporary(&self) -> &Path {
        &self.temporary
    }
}

/// Removes a temporary file whose process has ended.
pub(super) fn remove_abandoned(temporary: &Path) -> io::Result<()> {
    let file = open(temporary)?;
    file.try_lock()?;
    fs::remove_file(temporary)
}

/// The lock file of an entry, for any of its names.
fn open(entry: &Path) -> io::Result<File> {
    let path = entry.with_extension(EXTENSION);
    let mut options = File::options();
    options.write(true).create(true).truncate(false).open(path)
}

/// Creates the directory for this user alone.
fn create(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
