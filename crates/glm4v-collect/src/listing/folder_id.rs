use std::io;
use std::path::Path;

/// Tells folders apart, whatever links lead to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FolderId(Id);

#[cfg(unix)]
type Id = (u64, u64);
#[cfg(not(unix))]
type Id = std::path::PathBuf;

impl FolderId {
    /// The device and the inode of the folder.
    #[cfg(unix)]
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = folder.metadata()?;
        Ok(Self((metadata.dev(), metadata.ino())))
    }

    /// The path of the folder without links.
    #[cfg(not(unix))]
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        folder.canonicalize().map(Self)
    }
}
