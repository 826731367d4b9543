//! What lies at a path, and how another program can open it.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use crate::PreprocessError;

/// Refuses what is neither a file nor a folder nor a pipe.
#[cfg(unix)]
pub(super) fn check(metadata: &Metadata) -> Result<(), PreprocessError> {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    let found = if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        return Ok(());
    };
    Err(PreprocessError::FileKind { found })
}

#[cfg(not(unix))]
pub(super) fn check(_: &Metadata) -> Result<(), PreprocessError> {
    Ok(())
}

/// The path by which another program opens the file at `path`. `None` if it must be read here.
///
/// `/dev/stdin` and `/proc/self/fd/3` are other files in another process.
#[cfg(unix)]
pub(super) fn shared_path(path: &Path, metadata: &Metadata) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    if !metadata.is_file() {
        return None;
    }
    let resolved = path.canonicalize().ok()?;
    let found = resolved.metadata().ok()?;
    let is_same = (found.dev(), found.ino()) == (metadata.dev(), metadata.ino());
    (is_same && !resolved.starts_with("/dev/fd")).then_some(resolved)
}

#[cfg(not(unix))]
pub(super) fn shared_path(path: &Path, metadata: &Metadata) -> Option<PathBuf> {
    metadata.is_file().then(|| path.to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_file_descriptor_is_resolved_to_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let path = dir.join("a.mp4");
        fs::write(&path, "").unwrap();
        let file = File::open(&path).unwrap();
        let link = dir.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!(shared_path(&link, &metadata), Some(path.clone()));
        if cfg!(target_os = "linux") {
            let open = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
            assert_eq!(shared_path(&open, &metadata), Some(path.clone()));
            // A file without a name can only be read here.
            fs::remove_file(&path).unwrap();
            assert_eq!(shared_path(&open, &metadata), None);
        }
    }
}
