//! The devices that a command runs on.

use anyhow::{Error, Result, anyhow, ensure};
use glm4v::devices::{DeviceError, DeviceInfo, DeviceKind};
use glm4v::plan::{MemoryLimit, Target};
use glm4v::{ComputeType, DeviceSpec};
use serde_json::{Value, json};

use crate::args::DeviceArgs;
use crate::console::Console;
use crate::{failure, table};

/// One device, or several GPUs that share the work.
pub(crate) struct Devices(Vec<DeviceInfo>);

impl Devices {
    /// The devices that the command line names.
    pub(crate) fn find(args: &DeviceArgs) -> Result<Self> {
        args.device.find().map(Self).map_err(one_line)
    }

    /// The same for a command that runs nothing. Devices that this machine does not have are accepted, without their
    /// limits.
    pub(crate) fn find_or_assume(args: &DeviceArgs) -> Result<Self> {
        let error = match args.device.find() {
            Ok(devices) => return Ok(Self(devices)),
            Err(error @ DeviceError::NotShared { .. }) => return Err(error.into()),
            Err(error) => error,
        };
        let devices: Option<Vec<_>> = args.device.named().map(assumed).collect();
        devices.map(Self).ok_or_else(|| one_line(error))
    }

    /// Refuses several devices for work that only one can do.
    pub(crate) fn require_one(&self, work: &str) -> Result<()> {
        let (all, first) = (self.spec(), self.0[0].spec);
        ensure!(
            self.count() == 1,
            "{work} can use only one device, not {all}; name one, as in --device {first}"
        );
        Ok(())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Where a tower that computes in `dtype` runs. The smallest buffer of the devices counts.
    pub(crate) fn target(&self, dtype: ComputeType) -> Result<Target> {
        let first = &self.0[0];
        let refused = || glm4v::Error::Dtype {
            device: self.to_string(),
            dtype,
        };
        Ok(Target {
            max_buffer: self.0.iter().filter_map(|device| device.max_buffer).min(),
            devices: self.count(),
            ..first.target(dtype).ok_or_else(refused)?
        })
    }

    /// The error in one line, with the name of the device or of the option that it is about. The full report of burn is
    /// printed with `-v` only.
    pub(crate) fn explain(&self, error: glm4v::Error, console: &Console) -> Error {
        match error {
            glm4v::Error::OnDevice { index, source, .. } => {
                let DeviceInfo { spec, name, .. } = &self.0[index];
                let error = self.explain(*source, console);
                error.context(format!("{spec} ({name})"))
            }
            glm4v::Error::Execution(report) => {
                report.lines().for_each(|line| console.detail(line));
                glm4v::Error::Execution(failure::root_cause(&report).to_owned()).into()
            }
            glm4v::Error::Memory {
                needed,
                weights,
                available,
                limit,
            } => {
                let limit = match limit {
                    MemoryLimit::Allowed => "--max-memory allows",
                    MemoryLimit::Machine => "the machine has",
                };
                let of_weights = match weights {
                    0 => String::new(),
                    weights => format!(", {} of it for the weights", table::bytes(weights)),
                };
                let [needed, available] = [needed, available].map(table::bytes);
                anyhow!("needs at least {needed} of memory{of_weights}; {limit} {available}")
            }
            glm4v::Error::Device(error) => one_line(error),
            error => error.into(),
        }
    }

    /// The devices as `--device` takes them.
    pub(crate) fn spec(&self) -> String {
        let specs = self.0.iter().map(|device| device.spec.to_string());
        specs.collect::<Vec<_>>().join(",")
    }

    pub(crate) fn json(&self) -> Value {
        json!({"spec": self.spec(), "name": self.names()})
    }

    /// The names of the hardware. Equal names are listed once.
    fn names(&self) -> String {
        let mut names: Vec<&str> = self.0.iter().map(|device| &device.name[..]).collect();
        names.dedup();
        names.join(", ")
    }
}

impl std::fmt::Display for Devices {
    /// As in `cuda:0 (NVIDIA H100)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.spec(), self.names())
    }
}

/// The error in one line. A driver's reason can have several.
fn one_line(error: DeviceError) -> Error {
    match error {
        DeviceError::NotFound { spec, reason } => DeviceError::NotFound {
            spec,
            reason: failure::one_line(&reason),
        },
        error => error,
    }
    .into()
}

/// A device that this machine does not have. Nothing is known of `auto`.
fn assumed(spec: DeviceSpec) -> Option<DeviceInfo> {
    Some(DeviceInfo {
        spec,
        name: "not on this machine".into(),
        kind: match spec.backend?.is_cpu() {
            true => DeviceKind::Cpu,
            false => DeviceKind::Gpu,
        },
        max_buffer: None,
    })
}
