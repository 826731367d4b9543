use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::WeightsError;

/// Maps a file into memory, read-only.
#[allow(unsafe_code)]
pub(crate) fn map(path: &Path) -> Result<Mmap, WeightsError> {
    let file = File::open(path).map_err(WeightsError::io(path))?;
    // SAFETY: the map is read-only and private to this process. Another process that shortens or rewrites the file
    // while it is mapped breaks the assumption behind `Mmap::map`; a checkpoint is not written while it is read, and
    // this crate's own writer renames whole directories instead of rewriting files.
    unsafe { Mmap::map(&file) }.map_err(WeightsError::io(path))
}
