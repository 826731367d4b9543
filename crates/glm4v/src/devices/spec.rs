use std::fmt;
use std::str::FromStr;

use super::{Backend, DeviceError};

/// The name of a device: `auto`, a backend, or one device of a backend, as in `cuda:1`.
///
/// `auto` is the best device of the backends built in. It is a software GPU only if the machine has no other device. [`crate::devices`] has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceSpec {
    /// The backend; `None` for `auto`.
    pub backend: Option<Backend>,
    /// The index of a GPU, counted from 0.
    pub index: Option<usize>,
}

impl From<Backend> for DeviceSpec {
    fn from(backend: Backend) -> Self {
        let (backend, index) = (Some(backend), None);
        Self { backend, index }
    }
}

impl FromStr for DeviceSpec {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown {
            found: text.to_owned(),
        };
        if text == "auto" {
            return Ok(Self::default());
        }
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, Some(index.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let is_named =
            |backend: &Backend| backend.name() == name && !(index.is_some() && backend.is_cpu());
        let backend = Backend::ALL.into_iter().find(is_named);
        let backend = Some(backend.ok_or_else(unknown)?);
        Ok(Self { backend, index })
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.backend, self.index) {
            (None, _) => f.write_str("auto"),
            (Some(backend), None) => write!(f, "{backend}"),
            (Some(backend), Some(index)) => write!(f, "{backend}:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_read_as_they_are_written() {
        for text in ["auto", "flex", "ndarray", "wgpu", "vulkan:2", "cuda:1"] {
            assert_eq!(text.parse::<DeviceSpec>().unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda:", "cuda:x", "flex:0", "Flex"] {
            let error = text.parse::<DeviceSpec>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
