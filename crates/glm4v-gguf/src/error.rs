use glm4v_config::{ConfigError, Substitute};

/// A GGUF file that is damaged, is not supported, or is not a vision tower of GLM-V. A file has the name that the caller
/// gave.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Io {
        /// The file.
        file: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The header is damaged or hostile.
    #[error("{file}: not a valid GGUF file: {message}")]
    Header {
        /// The file.
        file: String,
        /// The fault.
        message: String,
    },
    /// Another file is in the place of the GGUF file.
    #[error("{file}: this is {substitute}")]
    Substitute {
        /// The file.
        file: String,
        /// The other file.
        substitute: Substitute,
    },
    /// The file is valid, and this crate does not read it.
    #[error("{file}: this GGUF file is not supported: {message}")]
    Unsupported {
        /// The file.
        file: String,
        /// What is not supported, and what to do.
        message: String,
    },
    /// A value of the metadata is missing or does not fit.
    #[error("{file}: metadata `{key}`: expected {expected}, found {found}")]
    Metadata {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// The expected value.
        expected: String,
        /// The value in the file.
        found: String,
    },
    /// The metadata describes a tower that is not supported.
    #[error("{file}: the tower in the metadata is not supported: {source}")]
    Config {
        /// The file.
        file: String,
        /// The unsupported value.
        source: ConfigError,
    },
    /// The file lacks a tensor of the tower.
    #[error(
        "{file}: tensor `{name}` is missing ({count} missing in all); download or convert the file again"
    )]
    Missing {
        /// The file.
        file: String,
        /// The first missing tensor.
        name: String,
        /// Number of missing tensors.
        count: usize,
    },
    /// The shape of a tensor differs from the metadata's.
    #[error("{file}: tensor `{name}`: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// The shape that follows from the metadata.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// The type of a tensor is not supported.
    #[error(
        "{file}: tensor `{name}`: expected F32, F16, BF16 or Q8_0, found {found}; use a file of one of these types"
    )]
    Type {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// The type in the file.
        found: &'static str,
    },
    /// The file has a vision tensor that the tower does not have.
    #[error(
        "{file}: tensor `{name}` is left over: the tower has no such tensor ({count} left over in all)"
    )]
    LeftOver {
        /// The file.
        file: String,
        /// The first such tensor.
        name: String,
        /// Number of such tensors.
        count: usize,
    },
    /// The content cannot be stored in a GGUF file.
    #[error("a GGUF file cannot store this: {message}")]
    Unstorable {
        /// The reason, and what to do.
        message: String,
    },
    /// The output cannot be written.
    #[error(transparent)]
    Write(#[from] std::io::Error),
}
