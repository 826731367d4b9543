//! Files that appear only when they are complete.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::NamedTempFile;

/// Checks that `path` can be written, before the work starts.
pub(crate) fn check(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("{}: is a directory; name a file", path.display());
    }
    // Only an attempt is a reliable test on every file system.
    temporary(path).map(drop)
}

/// Writes a temporary file beside `path` and renames it at the end. An older file at `path` stays until then.
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
    content: impl FnOnce(&NamedTempFile) -> Result<()>,
) -> Result<()> {
    let temporary = temporary(path)?;
    // Some file systems report a full disk only on sync.
    let written = content(&temporary).and_then(|()| Ok(temporary.as_file().sync_all()?));
    let context = || format!("{}: cannot be written", path.display());
    written.with_context(context)?;
    let renamed = temporary.persist(path).map_err(|error| error.error);
    renamed.map(drop).with_context(context)
}

fn temporary(path: &Path) -> Result<NamedTempFile> {
    let named = |dir: &&Path| !dir.as_os_str().is_empty();
    let dir = path.parent().filter(named).unwrap_or(Path::new("."));
    if !dir.is_dir() {
        bail!(
            "{}: there is no directory {}; create it first",
            path.display(),
            dir.display()
        );
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".glm4v-");
    #[cfg(unix)]
    {
        // Temporary files are private by default; the output gets the usual permissions.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir).map_err(|error| {
        // The text of the error names the temporary file, which would confuse the user.
        let reason = io::Error::from(error.kind());
        anyhow!("{}: cannot be written: {reason}", path.display())
    })
}
