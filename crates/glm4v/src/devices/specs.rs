use std::fmt;
use std::str::FromStr;

use super::{Backend, DeviceError, DeviceInfo, DeviceKind, DeviceSpec, find_all};

/// The names of devices that work together: one [`DeviceSpec`], several as in `cuda:0,cuda:2`, or all GPUs of a backend as
/// in `cuda:all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpecs(Vec<Named>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    One(DeviceSpec),
    All(Backend),
}

impl DeviceSpecs {
    /// The devices of these names, in order. `all` includes software GPUs only if the backend has no other device.
    ///
    /// # Errors
    /// As [`DeviceSpec::find`]; [`DeviceError::NotShared`] if one of several devices is a CPU.
    pub fn find(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let found = self.0.iter().map(Named::find);
        let found: Vec<DeviceInfo> = found.collect::<Result<Vec<_>, _>>()?.concat();
        match found.iter().find(|device| device.kind == DeviceKind::Cpu) {
            Some(cpu) if found.len() > 1 => Err(DeviceError::NotShared { spec: cpu.spec }),
            _ => Ok(found),
        }
    }

    /// The names. For `all` it is the name of the backend.
    pub fn named(&self) -> impl Iterator<Item = DeviceSpec> + '_ {
        self.0.iter().map(|named| match *named {
            Named::One(spec) => spec,
            Named::All(backend) => backend.into(),
        })
    }
}

impl Named {
    fn find(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        match *self {
            Self::One(spec) => Ok(vec![spec.find()?]),
            Self::All(backend) => {
                // The best device comes first.
                let best = DeviceSpec::from(backend).find()?.kind;
                let mut devices = find_all(backend).unwrap_or_default();
                devices.retain(|device| device.kind == best);
                Ok(devices)
            }
        }
    }
}

impl Default for DeviceSpecs {
    /// `auto`
    fn default() -> Self {
        DeviceSpec::default().into()
    }
}

impl From<DeviceSpec> for DeviceSpecs {
    fn from(spec: DeviceSpec) -> Self {
        Self(vec![Named::One(spec)])
    }
}

impl FromStr for DeviceSpecs {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let named = |name: &str| match name.strip_suffix(":all") {
            // As with an index, a CPU is refused.
            Some(name) => format!("{name}:0").parse().map(|spec: DeviceSpec| {
                let backend = spec.backend;
                Named::All(backend.expect("only backends have an index"))
            }),
            None => name.parse().map(Named::One),
        };
        let unknown = |_| DeviceError::Unknown {
            found: text.to_owned(),
        };
        let names = text.split(',').map(named).collect::<Result<Vec<_>, _>>();
        names.map(Self).map_err(unknown)
    }
}

impl fmt::Display for DeviceSpecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|named| match named {
            Named::One(spec) => spec.to_string(),
            Named::All(backend) => format!("{backend}:all"),
        });
        f.write_str(&names.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_are_read_as_they_are_written() {
        for text in [
            "auto",
            "flex",
            "cuda:1",
            "cuda:all",
            "cuda:0,cuda:2",
            "wgpu,vulkan:all",
        ] {
            assert_eq!(text.parse::<DeviceSpecs>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "all",
            "auto:all",
            "flex:all",
            "cuda:0,",
            "cuda:0:all",
            "cuda:all:0",
            "gpu:all",
        ] {
            let error = text.parse::<DeviceSpecs>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_cpu_is_used_alone() {
        let find = |text: &str| text.parse::<DeviceSpecs>().unwrap().find();
        assert_eq!(find("flex").unwrap().len(), 1);
        let error = find("flex,flex").unwrap_err().to_string();
        assert!(error.starts_with("flex is a CPU"), "{error}");
    }
}
