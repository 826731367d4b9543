//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::NamedTempFile;

/// Refuses a place that cannot be written to, before any work is done for it.
pub(crate) fn check(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("{}: is a directory, not a file to write", path.display());
    }
    // Trying is the only test that holds for every file system.
    unfinished(path).map(drop)
}

/// Writes `path` under another name beside it, which takes its place at the end; an older file stays until then.
pub(crate) fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<()> {
    write_unfinished(path, |unfinished| {
        let mut writer = BufWriter::with_capacity(1 << 20, unfinished.as_file());
        content(&mut writer)?;
        Ok(writer.flush()?)
    })
}

/// [`write`] for what wants the other name rather than the file.
pub(crate) fn write_path(path: &Path, content: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    write_unfinished(path, |unfinished| content(unfinished.path()))
}

fn write_unfinished(path: &Path, content: impl FnOnce(&NamedTempFile) -> Result<()>) -> Result<()> {
    let unfinished = unfinished(path)?;
    // Some file systems say only when they are asked to that they are full.
    let written = content(&unfinished).and_then(|()| Ok(unfinished.as_file().sync_all()?));
    let context = || format!("{}: cannot be written", path.display());
    written.with_context(context)?;
    let renamed = unfinished.persist(path).map_err(|error| error.error);
    renamed.map(drop).with_context(context)
}

fn unfinished(path: &Path) -> Result<NamedTempFile> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    if !dir.is_dir() {
        bail!(
            "{}: there is no directory {}",
            path.display(),
            dir.display()
        );
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".glm4v-");
    #[cfg(unix)]
    {
        // Temporary files are private to their owner; this one is to be as readable as any other.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir).map_err(|error| {
        // The error's own text names a file that nobody asked for.
        let reason = io::Error::from(error.kind());
        anyhow!("{}: cannot be written: {reason}", path.display())
    })
}
