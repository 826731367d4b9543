//! Temporary files and directories. They are removed with their owner, and also if a signal ends the program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile, TempDir};

const PREFIX: &str = ".glm4v-";
/// How often a directory is removed to which other threads add files.
const REMOVALS: usize = 100;

/// The temporary files and directories that exist. Its lock is held while one is created, renamed or removed by a signal.
static PATHS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A path in [`PATHS`].
struct Listed(PathBuf);

/// A file that is removed unless it is renamed.
pub(crate) struct TemporaryFile {
    file: NamedTempFile,
    // The last field is dropped last: the path is listed until the file is gone.
    _listed: Listed,
}

/// A directory that is removed with its content.
pub(crate) struct TemporaryDir {
    dir: TempDir,
    _listed: Listed,
}

impl TemporaryFile {
    /// A file in `dir` with the usual permissions.
    pub(crate) fn create(dir: &Path) -> io::Result<Self> {
        let mut builder = Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        {
            // Temporary files are private by default; the output gets the usual permissions.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut paths = paths();
        let file = builder.tempfile_in(dir)?;
        let _listed = Listed::new(file.path(), &mut paths);
        Ok(Self { file, _listed })
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(crate) fn as_file(&self) -> &fs::File {
        self.file.as_file()
    }

    /// Renames the file. A file at `path` is replaced.
    pub(crate) fn rename(self, path: &Path) -> io::Result<()> {
        let Self { file, _listed } = self;
        let paths = paths();
        let renamed = file.persist(path);
        drop(paths);
        renamed.map(drop).map_err(|error| error.error)
    }
}

impl TemporaryDir {
    /// A private directory in `parent`.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        let mut paths = paths();
        let dir = Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let _listed = Listed::new(dir.path(), &mut paths);
        Ok(Self { dir, _listed })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Listed {
    fn new(path: &Path, paths: &mut Vec<PathBuf>) -> Self {
        paths.push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        paths().retain(|path| *path != self.0);
    }
}

/// Removes all temporary files and directories. None is created while the result exists.
pub(crate) fn remove_all() -> impl Sized {
    let paths = paths();
    for path in paths.iter() {
        remove(path);
    }
    paths
}

/// Removes a file or a directory. Other threads may still make files in the directory, until it is gone.
fn remove(path: &Path) {
    for _ in 0..REMOVALS {
        // There is no place to report a failure.
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
        if removed.is_ok() || !path.exists() {
            return;
        }
    }
}

fn paths() -> MutexGuard<'static, Vec<PathBuf>> {
    PATHS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_listed(path: &Path) -> bool {
        paths().iter().any(|listed| listed == path)
    }

    #[test]
    fn paths_are_listed_while_they_exist() {
        let dir = tempfile::tempdir().unwrap();
        let file = TemporaryFile::create(dir.path()).unwrap();
        let (path, target) = (file.path().to_owned(), dir.path().join("a"));
        assert!(path.exists() && is_listed(&path));
        file.rename(&target).unwrap();
        assert!(target.exists() && !path.exists() && !is_listed(&path));

        // A writer of a library that puts one temporary file after another into the directory, until it is gone.
        let busy = TemporaryDir::create(dir.path()).unwrap();
        let path = busy.path().to_owned();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut written = 0;
                while fs::write(path.join(written.to_string()), "").is_ok() && written < 10_000 {
                    written += 1;
                    std::thread::sleep(std::time::Duration::from_micros(200));
                }
            });
            while !path.join("0").exists() {}
            remove(&path);
            assert!(!path.exists());
        });
        drop(busy);

        let inner = TemporaryDir::create(dir.path()).unwrap();
        let path = inner.path().to_owned();
        fs::write(path.join("b"), "").unwrap();
        assert!(is_listed(&path));
        drop(inner);
        assert!(!path.exists() && !is_listed(&path));
    }
}
