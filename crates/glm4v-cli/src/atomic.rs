//! Files and directories that appear only when they are complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::interrupt;
use crate::temporary::{TemporaryDir, TemporaryFile};

/// Checks that `path` can be written, before the work starts.
pub(crate) fn check(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("{}: is a directory; name a file", path.display());
    }
    let path = &target(path);
    // Only an attempt is a reliable test on every file system.
    let dir = temporary_dir(path)?;
    temporary_file(path, &dir).map(drop)
}

/// Writes a temporary file in a directory beside `path` and renames it at the end. An older file at `path` stays until then.
pub(crate) fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<()> {
    write_temporary(path, |temporary| {
        let mut writer = BufWriter::with_capacity(1 << 20, temporary.as_file());
        content(&mut writer)?;
        Ok(writer.flush()?)
    })
}

/// Like [`write`], for writers that need the path of the temporary file.
pub(crate) fn write_temporary(
    path: &Path,
    content: impl FnOnce(&TemporaryFile) -> Result<()>,
) -> Result<()> {
    let path = &target(path);
    // Writers may have temporary files of their own beside it. After a signal they go with the directory.
    let dir = temporary_dir(path)?;
    let temporary = temporary_file(path, &dir)?;
    let written = content(&temporary).and_then(|()| Ok(settle(&temporary)?));
    let context = || format!("{}: cannot be written", path.display());
    written.with_context(context)?;
    interrupt::check()?;
    temporary.rename(path).with_context(context)
}

/// Syncs the file at the temporary path: some file systems report a full disk only then. A writer may have put another file
/// there, which then gets the usual permissions.
fn settle(temporary: &TemporaryFile) -> io::Result<()> {
    let permissions = temporary.as_file().metadata()?.permissions();
    fs::set_permissions(temporary.path(), permissions)?;
    File::options()
        .write(true)
        .open(temporary.path())?
        .sync_all()
}

/// Makes a directory in a temporary one beside `path` and renames it at the end. `content` creates the directory.
pub(crate) fn write_directory(
    path: &Path,
    content: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let parent = parent(path);
    let context = || format!("{}: cannot be written", path.display());
    fs::create_dir_all(parent).with_context(context)?;
    let temporary = TemporaryDir::create(parent).map_err(|error| unwritable(path, &error))?;
    let complete = temporary.path().join("complete");
    content(&complete)?;
    interrupt::check()?;
    fs::rename(&complete, path).with_context(context)
}

fn temporary_dir(path: &Path) -> Result<TemporaryDir> {
    let dir = parent(path);
    if !dir.is_dir() {
        bail!(
            "{}: there is no directory {}; create it first",
            path.display(),
            dir.display()
        );
    }
    TemporaryDir::create(dir).map_err(|error| unwritable(path, &error))
}

fn temporary_file(path: &Path, dir: &TemporaryDir) -> Result<TemporaryFile> {
    TemporaryFile::create(dir.path()).map_err(|error| unwritable(path, &error))
}

/// The file that is written for `path`: for a link, what it points to, which need not exist.
fn target(path: &Path) -> PathBuf {
    if let Ok(target) = fs::canonicalize(path) {
        return target;
    }
    match fs::read_link(path) {
        Ok(target) => parent(path).join(target),
        Err(_) => path.to_owned(),
    }
}

fn parent(path: &Path) -> &Path {
    let named = |dir: &&Path| !dir.as_os_str().is_empty();
    path.parent().filter(named).unwrap_or(Path::new("."))
}

fn unwritable(path: &Path, error: &io::Error) -> anyhow::Error {
    // The text of the error names the temporary file, which would confuse the user.
    let reason = io::Error::from(error.kind());
    anyhow!("{}: cannot be written: {reason}", path.display())
}
