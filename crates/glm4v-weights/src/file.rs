use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use glm4v_shards::{Header, ShardError};

use crate::WeightsError;

/// A safetensors file that is open for its tensors.
#[derive(Debug)]
pub(crate) struct WeightsFile {
    pub(crate) path: PathBuf,
    file: File,
}

impl WeightsFile {
    /// Opens the file, and reads its header.
    pub(crate) fn open(path: &Path) -> Result<(Self, Header), WeightsError> {
        let mut file = File::open(path).map_err(WeightsError::io(path))?;
        let length = file.metadata().map_err(WeightsError::io(path))?.len();
        let head = head(&mut file, length, path)?;
        let header = Header::parse(&head, length, &shown(path))?;
        let path = path.to_owned();
        Ok((Self { path, file }, header))
    }

    /// Reads the bytes from `position` on; from any number of threads at once.
    pub(crate) fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), WeightsError> {
        self.read_exact_at(bytes, position)
            .map_err(WeightsError::io(&self.path))
    }

    #[cfg(unix)]
    fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, position)
    }

    #[cfg(not(unix))]
    fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> std::io::Result<()> {
        use std::io::{Seek, SeekFrom};
        // Threads that share a file share its position.
        let mut own = File::open(&self.path)?;
        own.seek(SeekFrom::Start(position))?;
        own.read_exact(bytes)
    }
}

/// The bytes before the tensors.
fn head(file: &mut File, length: u64, path: &Path) -> Result<Vec<u8>, WeightsError> {
    let mut first = [0; Header::LENGTH_BYTES];
    if length < first.len() as u64 {
        let (file, message) = (shown(path), format!("{length} bytes are too few"));
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

/// A path in a message.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
