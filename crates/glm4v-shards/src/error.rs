use glm4v_config::Substitute;

/// Weights that are damaged, or are not a vision tower. A file has the name that the caller gave: a path or a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// `model.safetensors.index.json` is damaged.
    #[error("{file}: not a valid shard index: {message}")]
    Index {
        /// The file.
        file: String,
        /// The fault.
        message: String,
    },
    /// The header of a safetensors file is damaged or hostile.
    #[error("{file}: not a valid safetensors file: {message}")]
    Header {
        /// The file.
        file: String,
        /// The fault.
        message: String,
    },
    /// Another file is in the place of a shard or of the index.
    #[error("{file}: this is {substitute}")]
    Substitute {
        /// The file.
        file: String,
        /// The other file.
        substitute: Substitute,
    },
    /// The file has no vision tower.
    #[error(
        "{file}: no vision tower found: no key starts with `model.visual.` or `visual.`; use a checkpoint of GLM-V"
    )]
    NoVisionTower {
        /// The file.
        file: String,
    },
    /// The checkpoint lacks a tensor of the tower.
    #[error("{file}: tensor `{key}` is missing ({count} missing in all)")]
    Missing {
        /// The file.
        file: String,
        /// The first missing tensor.
        key: String,
        /// Number of missing tensors.
        count: usize,
    },
    /// The shape of a tensor differs from the configuration's.
    #[error("{file}: tensor `{key}`: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The file.
        file: String,
        /// The tensor.
        key: String,
        /// The shape in the configuration.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// The type of a tensor is not supported.
    #[error("{file}: tensor `{key}`: expected F32, F16 or BF16, found {found}")]
    Dtype {
        /// The file.
        file: String,
        /// The tensor.
        key: String,
        /// The type in the file.
        found: String,
    },
    /// The checkpoint has a vision tensor that is not in the configuration.
    #[error(
        "{file}: tensor `{key}` is left over: it is not in the configuration ({count} left over in all); use the config.json of these weights"
    )]
    LeftOver {
        /// The file.
        file: String,
        /// The first such tensor.
        key: String,
        /// Number of such tensors.
        count: usize,
    },
}
