/// Weights that are damaged, or not those of a vision tower. A file is named as the caller calls it: a path, or a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// `model.safetensors.index.json` cannot be understood.
    #[error("{file}: not a valid shard index: {message}")]
    Index {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// The header of a safetensors file is damaged or hostile.
    #[error("{file}: not a valid safetensors file: {message}")]
    Header {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// No tensor belongs to a vision tower.
    #[error("{file}: no vision tower: no key starts with `model.visual.` or `visual.`")]
    NoVisionTower {
        /// The file.
        file: String,
    },
    /// A tensor of the tower is not in the checkpoint.
    #[error("{file}: tensor `{key}` is missing ({count} missing in all)")]
    Missing {
        /// The file.
        file: String,
        /// The first one missing.
        key: String,
        /// How many are missing.
        count: usize,
    },
    /// A tensor has another shape than the configuration asks for.
    #[error("{file}: tensor `{key}`: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The file.
        file: String,
        /// The tensor.
        key: String,
        /// What the configuration asks for.
        expected: Vec<usize>,
        /// What the file holds.
        found: Vec<usize>,
    },
    /// A tensor is stored in a type that no tower uses.
    #[error("{file}: tensor `{key}`: expected F32, F16 or BF16, found {found}")]
    Dtype {
        /// The file.
        file: String,
        /// The tensor.
        key: String,
        /// The type in the file.
        found: String,
    },
    /// The checkpoint holds a vision tensor that the configuration has no place for.
    #[error(
        "{file}: tensor `{key}` is left over: the configuration has no place for it ({count} left over in all)"
    )]
    LeftOver {
        /// The file.
        file: String,
        /// The first one left over.
        key: String,
        /// How many are left over.
        count: usize,
    },
}
