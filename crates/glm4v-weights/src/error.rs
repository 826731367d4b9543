use std::path::{Path, PathBuf};

use glm4v_config::ConfigError;
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
    /// A safetensors file is truncated, or its header is damaged or hostile.
    #[error("{}: not a valid safetensors file: {source}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SafeTensorError,
    },
    /// `model.safetensors.index.json` cannot be understood.
    #[error("{}: not a valid shard index: {message}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// No tensor of the files belongs to a vision tower.
    #[error("{}: no vision tower: no key starts with `model.visual.` or `visual.`", path.display())]
    NoVisionTower {
        /// The directory or file.
        path: PathBuf,
    },
    /// A tensor of the tower is not in the files.
    #[error("{}: tensor `{key}` is missing ({count} missing in all)", path.display())]
    Missing {
        /// The directory, or the shard that the index names.
        path: PathBuf,
        /// The first one missing.
        key: String,
        /// How many are missing.
        count: usize,
    },
    /// Two shards hold a tensor of the same name.
    #[error("{}: tensor `{key}` is in {} as well", path.display(), other.display())]
    Duplicate {
        /// The one shard.
        path: PathBuf,
        /// The other shard.
        other: PathBuf,
        /// The tensor.
        key: String,
    },
    /// A tensor has another shape than the configuration asks for.
    #[error("{}: tensor `{key}`: expected shape {expected:?}, found {found:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// What the configuration asks for.
        expected: Vec<usize>,
        /// What the file holds.
        found: Vec<usize>,
    },
    /// A tensor is stored in a type that no tower uses.
    #[error("{}: tensor `{key}`: expected F32, F16 or BF16, found {found}", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// The type in the file.
        found: String,
    },
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
    /// The files hold a vision tensor that the configuration has no place for.
    #[error("{}: tensor `{key}` is left over: the configuration has no place for it ({count} left over in all)", path.display())]
    LeftOver {
        /// The file.
        path: PathBuf,
        /// The first one left over.
        key: String,
        /// How many are left over.
        count: usize,
    },
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
