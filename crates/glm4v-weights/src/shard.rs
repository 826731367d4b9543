use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, SafeTensors, TensorInfo};

use crate::{WeightsError, mapped};

/// Bytes that are read at once: whole values of every type.
const PART: usize = 1 << 20;
/// Bytes before the header: its length.
const LENGTH_BYTES: usize = 8;

/// One safetensors file, its header validated against its length.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) path: PathBuf,
    metadata: Metadata,
    data_start: usize,
    file: File,
}

impl Shard {
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = File::open(path).map_err(WeightsError::io(path))?;
        // Mapped for its header alone: of what is read through a map, the pages stay in the process's memory.
        let bytes = mapped::map(&file).map_err(WeightsError::io(path))?;
        let (header, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(WeightsError::safetensors(path))?;
        Ok(Self {
            path: path.to_owned(),
            metadata,
            data_start: LENGTH_BYTES + header,
            file,
        })
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    pub(crate) fn info(&self, key: &str) -> Option<&TensorInfo> {
        self.metadata.info(key)
    }

    /// Hands a tensor's bytes to `take`, part by part: as a whole they would lie beside the values made of them.
    pub(crate) fn read(
        &self,
        info: &TensorInfo,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), WeightsError> {
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; PART.min(end - start)];
        let mut file = &self.file;
        file.seek(SeekFrom::Start((self.data_start + start) as u64))
            .map_err(WeightsError::io(&self.path))?;
        for first in (start..end).step_by(PART) {
            let part = &mut bytes[..PART.min(end - first)];
            file.read_exact(part)
                .map_err(WeightsError::io(&self.path))?;
            take(part);
        }
        Ok(())
    }
}
