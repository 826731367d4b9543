use std::path::{Path, PathBuf};

use crate::Substitute;

/// A configuration that cannot be read or is not supported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The content of the file is refused.
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
    /// Another file is in the place of the configuration.
    #[error("this is {0}")]
    Substitute(Substitute),
    /// A field has a value of the wrong type.
    #[error("field `{field}`: {message}")]
    Field {
        /// The field's name, with the objects around it.
        field: String,
        /// The expected and the found value.
        message: String,
    },
    /// The model is not supported.
    #[error("{field} `{found}` is not supported; use one of: {known}")]
    UnknownModelType {
        /// The field's name, with the objects around it.
        field: &'static str,
        /// The `model_type` of the file.
        found: String,
        /// The supported values, comma separated.
        known: String,
    },
    /// A field has a value that the model does not support.
    #[error("field `{field}`: expected {expected}, found {found}")]
    Invalid {
        /// The field's name.
        field: &'static str,
        /// The values that the model supports.
        expected: String,
        /// The value in the file.
        found: String,
    },
    /// A checkpoint has no configuration of an image processor.
    #[error(
        "{}expected processor_config.json with `image_processor`, or preprocessor_config.json; copy one of them from the \
         published checkpoint",
        prefix(dir)
    )]
    NoImageProcessor {
        /// The directory. It is empty for texts that are not in files.
        dir: PathBuf,
    },
    /// No preset has this name.
    #[error("there is no preset `{found}`; use one of: {known}")]
    UnknownPreset {
        /// The requested name.
        found: String,
        /// The presets, comma separated.
        known: String,
    },
}

/// A directory before a message.
fn prefix(dir: &Path) -> String {
    match dir.as_os_str().is_empty() {
        true => String::new(),
        false => format!("{}: ", dir.display()),
    }
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
