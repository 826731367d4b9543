//! Which files leave a cache that is too large.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::entry::EXTENSION;

/// A temporary file that is older than this belongs to a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A file of the cache.
struct Found {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// Bytes of all entries in `dir`. Removes temporary files that no process writes any more.
pub(super) fn size(dir: &Path) -> io::Result<u64> {
    Ok(files(dir)?.iter().map(|file| file.bytes).sum())
}

/// Removes the entries that were not used for the longest time until all have at most `target` bytes. Returns their bytes.
pub(super) fn shrink(dir: &Path, target: u64) -> io::Result<u64> {
    let mut files = files(dir)?;
    files.sort_by(|one, other| {
        one.used
            .cmp(&other.used)
            .then_with(|| one.path.cmp(&other.path))
    });
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    for file in files {
        if bytes <= target {
            break;
        }
        match fs::remove_file(&file.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // Another process may have removed it.
            _ => bytes -= file.bytes,
        }
    }
    Ok(bytes)
}

fn files(dir: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for first in folders(dir)? {
        for second in folders(&first)? {
            for entry in entries(&second)? {
                // A file may disappear at any time.
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                let used = metadata.modified()?;
                let path = entry.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == EXTENSION)
                {
                    let bytes = metadata.len();
                    found.push(Found { used, bytes, path });
                } else if used.elapsed().is_ok_and(|age| age > ABANDONED) {
                    fs::remove_file(path).ok();
                }
            }
        }
    }
    Ok(found)
}

/// The folders in `dir` that may contain entries: two hexadecimal digits.
fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = entries(dir)?.into_iter();
    let named = entries.filter(|entry| {
        let name = entry.file_name();
        name.len() == 2
            && name
                .to_string_lossy()
                .chars()
                .all(|digit| digit.is_ascii_hexdigit())
    });
    Ok(named
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect())
}

fn entries(dir: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.collect(),
    }
}
