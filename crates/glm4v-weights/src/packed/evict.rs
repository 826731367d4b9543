//! What bounds the cache.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::lock::{TEMPORARY, remove_abandoned};
use super::{EXTENSION, PackedCache};

struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// Makes room for an entry of `bytes` in the place of `replaced`: removes this one, and the least recently used ones until all
/// fit. Files that cannot be removed stay: the cache is then larger.
///
/// # Errors
/// If the disk has not enough space.
pub(super) fn make_room(cache: &PackedCache, bytes: u64, replaced: &Path) -> io::Result<()> {
    remove_entries(&cache.dir, cache.max_bytes.saturating_sub(bytes), replaced);
    check_space(&cache.dir, bytes)
}

fn remove_entries(dir: &Path, max_bytes: u64, replaced: &Path) {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut entries = Vec::new();
    for file in files {
        let path = file.path();
        let extension = path.extension();
        if extension == Some(OsStr::new(TEMPORARY)) {
            // Another process may be writing it.
            let _ = remove_abandoned(&path);
        } else if path == replaced {
            let _ = fs::remove_file(&path);
        } else if extension == Some(OsStr::new(EXTENSION))
            && let Ok(metadata) = file.metadata()
        {
            entries.push(Entry {
                path,
                bytes: metadata.len(),
                used: metadata.accessed().unwrap_or(SystemTime::UNIX_EPOCH),
            });
        }
    }
    entries.sort_by_key(|entry| entry.used);
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    for entry in entries {
        if bytes <= max_bytes {
            break;
        }
        if fs::remove_file(&entry.path).is_ok() {
            bytes -= entry.bytes;
        }
    }
}

/// Fails if the disk would have less space left than `bytes` after `bytes` more.
#[cfg(unix)]
fn check_space(dir: &Path, bytes: u64) -> io::Result<()> {
    let disk = rustix::fs::statvfs(dir)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= 2 * bytes {
        return Ok(());
    }
    let message =
        format!("{free} bytes are free, and packed weights take {bytes}, at most half of them");
    Err(io::Error::new(io::ErrorKind::StorageFull, message))
}

/// A full disk is noticed when the entry is written.
#[cfg(not(unix))]
fn check_space(_: &Path, _: u64) -> io::Result<()> {
    Ok(())
}
