//! A disk that fails at a chosen operation.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::disk::{Disk, Output};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// One operation fails, as on a full disk.
    Error,
    /// The operation and all later ones fail: the process has died.
    Death,
}

#[derive(Debug)]
pub(super) struct Steps {
    count: AtomicUsize,
    fail_at: usize,
    mode: Mode,
}

#[derive(Debug)]
pub(super) struct FailingDisk(Arc<Steps>);

struct FailingFile(File, Arc<Steps>);

impl FailingDisk {
    /// Counted from 0.
    pub(super) fn new(fail_at: usize, mode: Mode) -> Self {
        Self(Arc::new(Steps {
            count: AtomicUsize::new(0),
            fail_at,
            mode,
        }))
    }

    pub(super) fn steps(&self) -> Arc<Steps> {
        Arc::clone(&self.0)
    }
}

impl Steps {
    /// Whether the operation has been reached.
    pub(super) fn has_failed(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.fail_at
    }

    fn step(&self) -> io::Result<()> {
        let step = self.count.fetch_add(1, Ordering::Relaxed);
        let fails = match self.mode {
            Mode::Error => step == self.fail_at,
            Mode::Death => step >= self.fail_at,
        };
        match fails {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.0.step()?;
        Ok(Box::new(FailingFile(File::create(path)?, self.steps())))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.0.step()?;
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Box::new(FailingFile(file, self.steps())))
    }

    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.0.step()?;
        OpenOptions::new().write(true).open(path)?.set_len(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.step()?;
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.step()?;
        fs::remove_file(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.0.step()
    }
}

impl Write for FailingFile {
    /// A write that fails has written half of its bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.1.has_failed();
        match self.1.step() {
            Ok(()) => self.0.write(bytes),
            Err(error) => {
                if !before {
                    self.0.write_all(&bytes[..bytes.len() / 2])?;
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for FailingFile {
    fn sync(&mut self) -> io::Result<()> {
        self.1.step()
    }
}
