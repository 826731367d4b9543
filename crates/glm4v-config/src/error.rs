use std::path::{Path, PathBuf};

/// A configuration that cannot be read or cannot be honoured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file was read, but what it says is refused.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it is refused.
        source: Box<ConfigError>,
    },
    /// The text is not JSON.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A field has a value of the wrong type.
    #[error("field `{field}`: {message}")]
    Field {
        /// The field's name, with the objects around it.
        field: String,
        /// What was expected and what was found.
        message: String,
    },
    /// The checkpoint is of a model that is not supported.
    #[error("model_type `{found}` is not supported; known: {known}")]
    UnknownModelType {
        /// The `model_type` of the file.
        found: String,
        /// The supported ones, comma separated.
        known: String,
    },
    /// A field has a value that the model cannot have.
    #[error("field `{field}`: expected {expected}, found {found}")]
    Invalid {
        /// The field's name.
        field: &'static str,
        /// What the model needs.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// No preset has this name.
    #[error("no preset is called `{found}`; known: {known}")]
    UnknownPreset {
        /// The name asked for.
        found: String,
        /// The presets, comma separated.
        known: String,
    },
}

impl ConfigError {
    pub(crate) fn invalid(
        field: &'static str,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Invalid {
            field,
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    pub(crate) fn in_file(self, path: &Path) -> Self {
        Self::File {
            path: path.to_owned(),
            source: Box::new(self),
        }
    }
}
