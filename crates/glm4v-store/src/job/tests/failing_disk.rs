//! A disk that fails at a chosen operation.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

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
    /// Every operation that succeeded: its name and the file.
    log: Mutex<Vec<(&'static str, String)>>,
}

#[derive(Debug)]
pub(super) struct FailingDisk(Arc<Steps>);

struct FailingFile {
    file: File,
    path: PathBuf,
    steps: Arc<Steps>,
}

impl FailingDisk {
    /// Counted from 0.
    pub(super) fn new(fail_at: usize, mode: Mode) -> Self {
        Self(Arc::new(Steps {
            count: AtomicUsize::new(0),
            fail_at,
            mode,
            log: Mutex::default(),
        }))
    }

    pub(super) fn steps(&self) -> Arc<Steps> {
        Arc::clone(&self.0)
    }

    fn file(&self, file: File, path: &Path) -> Box<dyn Output> {
        Box::new(FailingFile {
            file,
            path: path.to_owned(),
            steps: self.steps(),
        })
    }
}

impl Steps {
    /// Whether the operation has been reached.
    pub(super) fn has_failed(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.fail_at
    }

    /// The operations in their order.
    pub(super) fn log(&self) -> Vec<(&'static str, String)> {
        self.log.lock().unwrap().clone()
    }

    fn step(&self, name: &'static str, path: &Path) -> io::Result<()> {
        let step = self.count.fetch_add(1, Ordering::Relaxed);
        let fails = match self.mode {
            Mode::Error => step == self.fail_at,
            Mode::Death => step >= self.fail_at,
        };
        match fails {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => {
                let file = path.file_name().unwrap().to_string_lossy().into_owned();
                self.log.lock().unwrap().push((name, file));
                Ok(())
            }
        }
    }
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.0.step("create", path)?;
        Ok(self.file(File::create(path)?, path))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.0.step("append", path)?;
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(self.file(file, path))
    }

    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.0.step("truncate", path)?;
        OpenOptions::new().write(true).open(path)?.set_len(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.step("rename", to)?;
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.step("remove", path)?;
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.step("sync_dir", dir)
    }
}

impl Write for FailingFile {
    /// A write that fails has written half of its bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.steps.has_failed();
        match self.steps.step("write", &self.path) {
            Ok(()) => self.file.write(bytes),
            Err(error) => {
                if !before {
                    self.file.write_all(&bytes[..bytes.len() / 2])?;
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
        self.steps.step("sync", &self.path)
    }
}
