use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use glm4v_shards::{Header, ShardError};
use rayon::prelude::*;

use crate::WeightsError;

/// Bytes that one thread reads at a time.
const BYTES_AT_ONCE: usize = 1 << 20;

/// An open file of weights.
#[derive(Debug)]
pub(crate) struct WeightsFile {
    pub(crate) path: PathBuf,
    #[cfg(unix)]
    file: File,
}

impl WeightsFile {
    /// Opens the file and reads its header. `read` gets the file and its length.
    pub(crate) fn open<H>(
        path: &Path,
        read: impl FnOnce(&mut File, u64) -> Result<H, WeightsError>,
    ) -> Result<(Self, H), WeightsError> {
        let mut file = File::open(path).map_err(WeightsError::io(path))?;
        let length = file.metadata().map_err(WeightsError::io(path))?.len();
        let header = read(&mut file, length)?;
        let path = path.to_owned();
        let opened = Self {
            path,
            #[cfg(unix)]
            file,
        };
        Ok((opened, header))
    }

    /// The length and the times of the file as it is now.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        #[cfg(unix)]
        return self.file.metadata();
        #[cfg(not(unix))]
        return std::fs::metadata(&self.path);
    }

    /// Fills `bytes` from `position` on. All cores read.
    pub(crate) fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), WeightsError> {
        bytes
            .par_chunks_mut(BYTES_AT_ONCE)
            .enumerate()
            .try_for_each(|(index, bytes)| {
                self.read_exact_at(bytes, position + (index * BYTES_AT_ONCE) as u64)
            })
            .map_err(WeightsError::io(&self.path))
    }

    #[cfg(unix)]
    fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, position)
    }

    #[cfg(not(unix))]
    fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        use std::io::{Seek, SeekFrom};
        // A file has one position for all threads, so every call opens the file again.
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(position))?;
        file.read_exact(bytes)
    }
}

/// What tells that a file was changed or replaced. On Unix the last number is the time of the last change of any kind, which
/// programs cannot set.
pub(crate) fn identity(metadata: &Metadata) -> io::Result<[u128; 4]> {
    let modified = metadata.modified()?;
    let modified = modified.duration_since(SystemTime::UNIX_EPOCH);
    let modified = modified.unwrap_or_else(|before| before.duration());
    #[cfg(unix)]
    let (inode, changed) = {
        use std::os::unix::fs::MetadataExt;
        let seconds = u128::from(metadata.ctime().unsigned_abs());
        let nanoseconds = u128::from(metadata.ctime_nsec().unsigned_abs());
        (metadata.ino(), seconds * 1_000_000_000 + nanoseconds)
    };
    #[cfg(not(unix))]
    let (inode, changed) = (0_u64, 0);
    Ok([
        metadata.len().into(),
        modified.as_nanos(),
        inode.into(),
        changed,
    ])
}

/// Reads the header of a safetensors file.
pub(crate) fn safetensors_header(
    file: &mut File,
    length: u64,
    path: &Path,
) -> Result<Header, WeightsError> {
    let head = head(file, length, path)?;
    Ok(Header::parse(&head, length, &shown(path))?)
}

/// Reads the bytes before the tensors.
fn head(file: &mut File, length: u64, path: &Path) -> Result<Vec<u8>, WeightsError> {
    let mut first = [0; Header::LENGTH_BYTES];
    if length < first.len() as u64 {
        let (file, message) = (
            shown(path),
            format!("expected at least {} bytes, found {length}", first.len()),
        );
        return Err(ShardError::Header { file, message }.into());
    }
    file.read_exact(&mut first)
        .map_err(WeightsError::io(path))?;
    let data_start = Header::data_start(first, length, &shown(path))?;
    let mut head = first.to_vec();
    head.resize(data_start as usize, 0);
    file.read_exact(&mut head[first.len()..])
        .map_err(WeightsError::io(path))?;
    Ok(head)
}

/// A path for errors.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
