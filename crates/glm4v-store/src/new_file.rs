use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use crate::StoreError;
use crate::disk::{Disk, Output};
use crate::hashing::{Hashing, Written};

/// Ends the names of temporary files.
pub(crate) const TEMPORARY: &str = "tmp";

/// A temporary file in `dir` with the usual permissions: other users may read what becomes of it.
pub(crate) fn shared_temporary(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}

/// A file that gets its name only when it is complete. Without [`NewFile::publish`] it disappears.
pub(crate) struct NewFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// `None` once it is closed.
    output: Option<Hashing<BufWriter<Box<dyn Output>>>>,
}

impl NewFile {
    /// Starts the file `path` under a temporary name in the same directory.
    pub(crate) fn create(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, StoreError> {
        let output = disk
            .create(&temporary(path))
            .map_err(StoreError::io(path))?;
        Ok(Self {
            disk: Arc::clone(disk),
            path: path.to_owned(),
            output: Some(Hashing::new(BufWriter::with_capacity(1 << 18, output))),
        })
    }

    /// The name that the file will have.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything to the disk and renames the file.
    pub(crate) fn publish(&mut self) -> Result<Written, StoreError> {
        let published = self.try_publish();
        published.map_err(StoreError::io(&self.path))
    }

    /// Removes the file, which is not needed any more.
    pub(crate) fn discard(mut self) -> Result<(), StoreError> {
        let removed = self.disk.remove(&temporary(&self.path));
        removed.map_err(StoreError::io(&self.path))?;
        self.output = None;
        Ok(())
    }

    fn try_publish(&mut self) -> io::Result<Written> {
        let output = self.open()?;
        output.flush()?;
        output.inner.get_mut().sync()?;
        let written = output.written();
        // Windows renames closed files only.
        self.output = None;
        let renamed = self.disk.rename(&temporary(&self.path), &self.path);
        if renamed.is_err() {
            self.disk.remove(&temporary(&self.path)).ok();
        }
        renamed?;
        self.disk.sync_dir(parent(&self.path))?;
        Ok(written)
    }

    fn open(&mut self) -> io::Result<&mut Hashing<BufWriter<Box<dyn Output>>>> {
        let closed = || io::Error::other("the file is closed");
        self.output.as_mut().ok_or_else(closed)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open()?.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(output) = self.output.take() {
            // Its buffer is not written any more.
            drop(output.inner.into_parts());
            self.disk.remove(&temporary(&self.path)).ok();
        }
    }
}

/// The name of `path` while it is written.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    name.into()
}

fn parent(path: &Path) -> &Path {
    let named = |dir: &&Path| !dir.as_os_str().is_empty();
    path.parent().filter(named).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn the_name_appears_with_the_whole_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.json");
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let mut file = NewFile::create(&disk, &path).unwrap();
        file.write_all(b"content").unwrap();
        assert!(!path.exists() && temporary(&path).exists());
        assert_eq!(file.publish().unwrap().bytes, 7);
        assert!(path.exists() && !temporary(&path).exists());
    }

    #[test]
    fn an_abandoned_file_disappears() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let mut file = NewFile::create(&disk, &dir.path().join("file.json")).unwrap();
        file.write_all(b"content").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
