use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{ConfigError, Substitute, json_lenient};

pub(crate) fn read_file<T>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Io {
        path: path.to_owned(),
        source,
    })?;
    parse(&text).map_err(|error| error.in_file(path))
}

/// Parses `text` as a JSON object. Other JSON values are refused.
pub(crate) fn object(text: &str) -> Result<Value, ConfigError> {
    let value =
        json_lenient::parse(text).map_err(|error| match Substitute::of(text.as_bytes()) {
            Some(substitute) => ConfigError::Substitute(substitute),
            None => error.into(),
        })?;
    check_object(&value, ".")?;
    Ok(value)
}

/// Deserializes `value`. In errors, `parent` precedes the name of the field.
pub(crate) fn fields<T: DeserializeOwned>(value: Value, parent: &str) -> Result<T, ConfigError> {
    check_object(&value, parent)?;
    serde_path_to_error::deserialize(value).map_err(|error| ConfigError::Field {
        field: match error.path().to_string().as_str() {
            "." => parent.to_owned(),
            path if parent.is_empty() => path.to_owned(),
            path => format!("{parent}.{path}"),
        },
        message: error.inner().to_string(),
    })
}

/// Refuses values other than objects. Without this check, serde reads an empty array as a structure of defaults.
pub(crate) fn check_object(value: &Value, field: &str) -> Result<(), ConfigError> {
    if value.is_object() {
        return Ok(());
    }
    Err(ConfigError::Field {
        field: field.to_owned(),
        message: format!("expected a JSON object, found {}", kind(value)),
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
