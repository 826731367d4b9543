use std::path::{Path, PathBuf};

use glm4v_config::ConfigError;
use glm4v_gguf::GgufError;
use glm4v_shards::{Encoding, ShardError};
use safetensors::SafeTensorError;

/// A checkpoint that cannot be read or written, or differs from the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file is not as it was when the weights were read.
    #[error("{}: the file changed after its weights were read; load the model again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The directory contains no weights.
    #[error("{}: expected model.safetensors or model.safetensors.index.json, found neither; check the directory", dir.display())]
    NoWeights {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory contains several GGUF files.
    #[error("{}: the directory has {count} .gguf files; name one of them", dir.display())]
    SeveralGguf {
        /// The directory.
        dir: PathBuf,
        /// Number of these files.
        count: usize,
    },
    /// A GGUF file is damaged, contains no tower, or cannot store one.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// Safetensors files do not have this encoding.
    #[error(
        "safetensors files cannot store {encoding}; use f32, f16 or bf16, or write a .gguf file"
    )]
    Encoding {
        /// The encoding.
        encoding: Encoding,
    },
    /// A tensor has values that 8-bit blocks cannot store.
    #[error(
        "tensor `{key}` has a value that is infinite or not a number, which q8_0 cannot store; use f32, f16 or bf16"
    )]
    NotFinite {
        /// The tensor, without prefix.
        key: String,
    },
    /// The output cannot be written.
    #[error(transparent)]
    Write(std::io::Error),
    /// A safetensors file cannot be written.
    #[error("{}: {source}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: SafeTensorError,
    },
    /// The files are damaged, contain no tower, or differ from the configuration.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// Too many or too few bytes of a tensor arrived.
    #[error("tensor `{key}`: expected {expected} bytes, found {found}")]
    Length {
        /// The tensor, without prefix.
        key: String,
        /// Its length in bytes: in bf16 if no byte arrived, 0 if the tensor is not in the configuration.
        expected: u64,
        /// Number of bytes that arrived.
        found: u64,
    },
    /// The device failed during an upload.
    #[error("the device failed while weights were uploaded: {0}")]
    Device(String),
    /// The directory for a new checkpoint exists.
    #[error("{}: exists already; choose a directory that does not exist", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl WeightsError {
    pub(crate) fn length(key: &str, expected: u64, found: u64) -> Self {
        Self::Length {
            key: key.to_owned(),
            expected,
            found,
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }

    pub(crate) fn safetensors(path: &Path) -> impl FnOnce(SafeTensorError) -> Self {
        let path = path.to_owned();
        |source| match source {
            SafeTensorError::IoError(source) => Self::Io { path, source },
            source => Self::Safetensors { path, source },
        }
    }
}
