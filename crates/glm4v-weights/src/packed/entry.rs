//! An entry of the cache: a file with the buffers of all packed parameters.
//!
//! It begins with [`MAGIC`], the length of the header, and the hash of the header. The header is JSON. It has the key, the length
//! of the file, the time at which the file was closed, and the place of each buffer. Buffers begin at cache lines, and the first
//! buffer at a page.
//!
//! A file that is cut, edited or copied in part has another length or another time than its header says, and is not used. To read
//! gigabytes at each start, only to compare a hash, would take as long as packing them.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes};
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use glm4v_model::SharedBytes;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::key::Key;
use super::lock::Lock;
use super::map::map;

const MAGIC: &[u8; 16] = b"glm4v packed  1\n";
/// Bytes before the header.
const HEAD: usize = MAGIC.len() + 8 + 32;
/// A longer header is no header of ours.
const MAX_HEADER: u64 = 16 << 20;
const LINE: u64 = 64;
const PAGE: u64 = 4096;

#[derive(Serialize, Deserialize)]
struct Header {
    key: String,
    /// Bytes of the file after the header
    bytes: u64,
    /// Seconds since 1970, the modification time of the file
    closed: u64,
    /// The place of each buffer after the header
    buffers: HashMap<String, Range<u64>>,
}

/// A mapped entry.
pub(super) struct Entry {
    map: Arc<Mmap>,
    buffers: HashMap<String, Range<usize>>,
}

impl Entry {
    /// The bytes of a buffer.
    pub(super) fn buffer(&self, name: &str) -> Option<SharedBytes> {
        let map: Arc<dyn AsRef<[u8]> + Send + Sync> = self.map.clone();
        SharedBytes::new(map, self.buffers.get(name)?.clone())
    }
}

/// Opens the entry `path`, if it is one for `key`, and marks it as used.
pub(super) fn open(path: &Path, key: &Key) -> Option<Entry> {
    let mut file = File::open(path).ok()?;
    let (header, start) = header(&mut file).ok()?;
    let metadata = file.metadata().ok()?;
    let whole = metadata.len() == start + header.bytes;
    let unchanged = metadata.modified().ok() == time(header.closed);
    if header.key != key.content() || !whole || !unchanged {
        return None;
    }
    let map = Arc::new(map(&file).ok()?);
    let place = |range: Range<u64>| {
        let [from, to] = [range.start, range.end].map(|end| usize::try_from(start + end));
        Some(from.ok()?..to.ok()?)
    };
    let buffers = header.buffers.into_iter();
    let buffers = buffers.map(|(name, range)| Some((name, place(range)?)));
    // Without the right to do so, the entry keeps its place in the order of removal.
    let _ = file.set_times(FileTimes::new().set_accessed(SystemTime::now()));
    Some(Entry {
        map,
        buffers: buffers.collect::<Option<_>>()?,
    })
}

/// The header, and the place of the first buffer.
fn header(file: &mut File) -> io::Result<(Header, u64)> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut head = [0; HEAD];
    file.read_exact(&mut head)?;
    let (magic, rest) = head.split_at(MAGIC.len());
    let (length, hash) = rest.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
    if magic != MAGIC || length > MAX_HEADER {
        return Err(damaged());
    }
    let mut json = vec![0; length as usize];
    file.read_exact(&mut json)?;
    if Sha256::digest(&json)[..] != *hash {
        return Err(damaged());
    }
    let header: Header = serde_json::from_slice(&json)?;
    let ends = header.buffers.values().map(|range| range.end);
    if header.bytes > i64::MAX as u64 || ends.max().unwrap_or(0) > header.bytes {
        return Err(damaged());
    }
    Ok((header, (HEAD as u64 + length).next_multiple_of(PAGE)))
}

/// Writes the entry `path`. It appears when it is complete and on the disk.
pub(super) fn write(
    path: &Path,
    key: &Key,
    buffers: &[(String, &[u8])],
    lock: &Lock,
) -> io::Result<()> {
    let written = try_write(lock.temporary(), key, buffers);
    let renamed = written.and_then(|()| fs::rename(lock.temporary(), path));
    if renamed.is_err() {
        let _ = fs::remove_file(lock.temporary());
    }
    renamed?;
    #[cfg(unix)]
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

fn try_write(path: &Path, key: &Key, buffers: &[(String, &[u8])]) -> io::Result<()> {
    // An abandoned file may be read-only already.
    let _ = fs::remove_file(path);
    let mut places = HashMap::new();
    let mut end = 0;
    for (name, bytes) in buffers {
        let start = u64::next_multiple_of(end, LINE);
        end = start + bytes.len() as u64;
        places.insert(name.clone(), start..end);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let closed = now.map_or(0, |now| now.as_secs());
    let header = Header {
        key: key.content(),
        bytes: end,
        closed,
        buffers: places,
    };
    let json = serde_json::to_vec(&header)?;
    let mut file = Padded {
        file: BufWriter::with_capacity(1 << 20, private(path)?),
        position: 0,
    };
    file.write(MAGIC)?;
    file.write(&(json.len() as u64).to_le_bytes())?;
    file.write(&Sha256::digest(&json))?;
    file.write(&json)?;
    file.pad(PAGE)?;
    for (_, bytes) in buffers {
        file.pad(LINE)?;
        file.write(bytes)?;
    }
    let file = file.file.into_inner()?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o400))?;
    file.set_modified(time(closed).unwrap_or(SystemTime::UNIX_EPOCH))?;
    file.sync_all()
}

/// A new file for this user alone.
fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn time(seconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

struct Padded {
    file: BufWriter<File>,
    position: u64,
}

impl Padded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.position += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Zeros up to a multiple of `alignment`.
    fn pad(&mut self, alignment: u64) -> io::Result<()> {
        let padding = self.position.next_multiple_of(alignment) - self.position;
        self.write(&vec![0; padding as usize])
    }
}
