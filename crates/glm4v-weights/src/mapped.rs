use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a file into memory, read-only.
#[allow(unsafe_code)]
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and private to this process. Another process that shortens or rewrites the file
    // while it is mapped breaks the assumption behind `Mmap::map`; a checkpoint is not written while it is opened, and
    // this crate's own writer renames whole directories instead of rewriting files.
    unsafe { Mmap::map(file) }
}
