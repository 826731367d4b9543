//! The operations that change a job's directory. Tests replace them to make each of them fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Changes files.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Opens a new, empty file. An older file of this name is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>>;
    /// Opens a file for writing at its end, and creates it if it is missing.
    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>>;
    /// Removes what lies behind the first `bytes` bytes.
    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()>;
    /// Gives a file another name. A file that has this name is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes new names of a directory survive a power failure.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file that is open for writing.
pub(crate) trait Output: Write + Send {
    /// Makes the content survive a power failure.
    fn sync(&mut self) -> io::Result<()>;
}

/// The disk itself.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        Ok(Box::new(File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        let mut options = OpenOptions::new();
        Ok(Box::new(options.append(true).create(true).open(path)?))
    }

    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Windows cannot open a directory as a file, and needs no sync of it.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match cfg!(unix) {
            true => File::open(dir)?.sync_all(),
            false => Ok(()),
        }
    }
}

impl Output for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
