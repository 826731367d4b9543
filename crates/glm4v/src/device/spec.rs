use std::fmt;
use std::str::FromStr;

use super::DeviceError;

/// One of burn's backends, by the name of its cargo feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// NVIDIA GPU
    Cuda,
    /// GPU through Apple's API
    Metal,
    /// GPU through Vulkan
    Vulkan,
    /// GPU through the API that the machine offers
    Wgpu,
    /// GPU through the browser
    Webgpu,
    /// CPU
    Flex,
    /// CPU, deprecated
    Ndarray,
}

impl Backend {
    /// Every backend, in the order in which `auto` tries them.
    pub const ALL: [Self; 7] = [
        Self::Cuda,
        Self::Metal,
        Self::Vulkan,
        Self::Wgpu,
        Self::Webgpu,
        Self::Flex,
        Self::Ndarray,
    ];

    /// The backends built in.
    #[must_use]
    pub fn compiled() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|backend| backend.is_compiled())
            .collect()
    }

    /// Whether this backend is built in.
    #[must_use]
    pub const fn is_compiled(self) -> bool {
        match self {
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Webgpu => cfg!(feature = "webgpu"),
            Self::Flex => cfg!(feature = "flex"),
            Self::Ndarray => cfg!(feature = "ndarray"),
        }
    }

    /// The name of the cargo feature.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Metal => "metal",
            Self::Vulkan => "vulkan",
            Self::Wgpu => "wgpu",
            Self::Webgpu => "webgpu",
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
        }
    }

    pub(crate) fn names(backends: &[Self]) -> String {
        backends
            .iter()
            .map(|backend| backend.name())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which device to use: `auto`, a backend, or a backend's device of a number, as in `cuda:1`.
///
/// `auto` is the best device of the backends built in, and a software GPU only where there is nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceSpec {
    /// The backend; `None` for `auto`.
    pub backend: Option<Backend>,
    /// Which of the backend's GPUs, counted from 0.
    pub index: Option<usize>,
}

impl From<Backend> for DeviceSpec {
    fn from(backend: Backend) -> Self {
        Self {
            backend: Some(backend),
            index: None,
        }
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
        let backend = Backend::ALL
            .into_iter()
            .find(|backend| backend.name() == name)
            .ok_or_else(unknown)?;
        if index.is_some() && matches!(backend, Backend::Flex | Backend::Ndarray) {
            return Err(unknown());
        }
        Ok(Self {
            backend: Some(backend),
            index,
        })
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
