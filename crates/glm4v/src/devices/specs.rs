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
    /// As [`DeviceSpec::find`]; [`DeviceError::NotShared`] if one of several devices is a CPU;
    /// [`DeviceError::Repeated`] if a device is named twice.
    pub fn find(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let found = self.0.iter().map(Named::find);
        work_together(found.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The names. For `all` it is the name of the backend.
    pub fn named(&self) -> impl Iterator<Item = DeviceSpec> + '_ {
        self.0.iter().map(|named| match *named {
            Named::One(spec) => spec,
            Named::All(backend) => backend.into(),
        })
    }
}

/// Checks that the devices can share work.
fn work_together(devices: Vec<DeviceInfo>) -> Result<Vec<DeviceInfo>, DeviceError> {
    if let [_, _, ..] = devices[..]
        && let Some(cpu) = devices.iter().find(|device| device.kind == DeviceKind::Cpu)
    {
        return Err(DeviceError::NotShared { spec: cpu.spec });
    }
    for (index, DeviceInfo { spec, .. }) in devices.iter().enumerate() {
        if devices[..index].iter().any(|earlier| earlier.spec == *spec) {
            return Err(DeviceError::Repeated { spec: *spec });
        }
    }
    Ok(devices)
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

    #[test]
    fn a_device_is_named_once() {
        let device = |index| DeviceInfo {
            spec: DeviceSpec {
                index: Some(index),
                ..Backend::Cuda.into()
            },
            name: "GPU".into(),
            kind: DeviceKind::Gpu,
            max_buffer: None,
        };
        assert_eq!(work_together(vec![device(0), device(1)]).unwrap().len(), 2);
        let error = work_together(vec![device(0), device(1), device(0)]).unwrap_err();
        assert!(
            error.to_string().starts_with("cuda:0 is named twice"),
            "{error}"
        );
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
