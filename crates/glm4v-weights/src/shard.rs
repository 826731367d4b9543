use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, SafeTensors, TensorInfo};

use crate::{WeightsError, mapped};

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

    pub(crate) fn read(&self, info: &TensorInfo) -> Result<Vec<u8>, WeightsError> {
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        let mut file = &self.file;
        file.seek(SeekFrom::Start((self.data_start + start) as u64))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(WeightsError::io(&self.path))?;
        Ok(bytes)
    }
}
