use std::fmt;
use std::str::FromStr;

use super::{Backend, DeviceError, DeviceInfo, DeviceKind, DeviceSpec, found};

/// Which devices to use together: one, as [`DeviceSpec`] names it, all GPUs of a backend, as in `cuda:all`, or several GPUs,
/// as in `cuda:0,cuda:2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpecs(Vec<Named>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    One(DeviceSpec),
    All(Backend),
}

impl DeviceSpecs {
    /// What these name, in their order. `all` takes software GPUs only where there is nothing else.
    ///
    /// # Errors
    /// Those of [`DeviceSpec::find`]; [`DeviceError::NotShared`] where a CPU is one of several.
    pub fn find(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let found = self.0.iter().map(|named| named.find());
        let found: Vec<DeviceInfo> = found.collect::<Result<Vec<_>, _>>()?.concat();
        let cpu = found.iter().find(|device| device.kind == DeviceKind::Cpu);
        match cpu {
            Some(cpu) if found.len() > 1 => Err(DeviceError::NotShared { spec: cpu.spec }),
            _ => Ok(found),
        }
    }

    /// The names themselves; of `all`, the backend's.
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
                // The best comes first, and says what there is.
                let best = DeviceSpec::from(backend).find()?.kind;
                let mut devices = found(backend).unwrap_or_default();
                devices.retain(|device| device.kind == best);
                Ok(devices)
            }
        }
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
        let named = |part: &str| match part.strip_suffix(":all") {
            // An index is what a CPU has not, either.
            Some(name) => format!("{name}:0").parse().map(|spec: DeviceSpec| {
                let backend = spec.backend;
                Named::All(backend.expect("an index is of a backend"))
            }),
            None => part.parse().map(Named::One),
        };
        let unknown = |_| DeviceError::Unknown {
            found: text.to_owned(),
        };
        let parts = text.split(',').map(named).collect::<Result<Vec<_>, _>>();
        parts.map(Self).map_err(unknown)
    }
}

impl fmt::Display for DeviceSpecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, named) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            match named {
                Named::One(spec) => spec.fmt(f)?,
                Named::All(backend) => write!(f, "{backend}:all")?,
            }
        }
        Ok(())
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
