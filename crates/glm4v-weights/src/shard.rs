use std::path::{Path, PathBuf};

use memmap2::Mmap;
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
    bytes: Mmap,
}

impl Shard {
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        let bytes = mapped::map(path)?;
        let (header, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(WeightsError::safetensors(path))?;
        Ok(Self {
            path: path.to_owned(),
            metadata,
            data_start: LENGTH_BYTES + header,
            bytes,
        })
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    pub(crate) fn info(&self, key: &str) -> Option<&TensorInfo> {
        self.metadata.info(key)
    }

    pub(crate) fn bytes(&self, info: &TensorInfo) -> &[u8] {
        let (start, end) = info.data_offsets;
        &self.bytes[self.data_start + start..self.data_start + end]
    }
}
