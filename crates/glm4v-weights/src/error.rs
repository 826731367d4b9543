use std::path::{Path, PathBuf};

use glm4v_config::ConfigError;
use glm4v_shards::ShardError;
use safetensors::SafeTensorError;

/// A checkpoint that cannot be read, does not fit the tower, or cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The operating system refused to read or write a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A directory holds no weights.
    #[error("{}: expected model.safetensors or model.safetensors.index.json, found neither", dir.display())]
    NoWeights {
        /// The directory.
        dir: PathBuf,
    },
    /// A safetensors file cannot be written.
    #[error("{}: {source}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SafeTensorError,
    },
    /// The files are damaged, or hold no tower, or another than the configuration's.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// Of a tensor more or fewer bytes came than it has.
    #[error("tensor `{key}`: expected {expected} bytes, found {found}")]
    Length {
        /// The tensor, without prefix.
        key: String,
        /// How many it has; none, if the configuration has no place for it.
        expected: u64,
        /// How many came.
        found: u64,
    },
    /// The device failed while it took a tensor.
    #[error("the device failed: {0}")]
    Device(String),
    /// The target of a new checkpoint exists already.
    #[error("{}: exists already; name a directory that does not", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl WeightsError {
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
