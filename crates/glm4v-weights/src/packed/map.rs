//! Files in memory.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a complete entry of the cache.
pub(super) fn map(entry: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes must not change while they are mapped. An entry is written under another name, by the one process that
    // holds its lock, and renamed when it is complete. After that no process of ours writes to it: it can only be replaced by
    // another file or removed, and both leave a mapped file as it is. On Unix it is read-only and in a directory of this user, so
    // nobody changes it by mistake. The bytes are used as u32 and f32, which have no invalid values.
    let map = unsafe { Mmap::map(entry) }?;
    // A pass of the tower reads everything, so the system may begin to read now. It works without this, too.
    #[cfg(unix)]
    let _ = map.advise(memmap2::Advice::WillNeed);
    Ok(map)
}
