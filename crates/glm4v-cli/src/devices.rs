//! The devices that a command runs on.

use anyhow::{Error, Result, bail};
use glm4v::{
    Backend, DeviceError, DeviceInfo, DeviceKind, DeviceSpec, ParallelEncoder, Target,
    VisionEncoder,
};
use serde_json::{Value, json};

use crate::args::{ComputeArgs, DeviceArgs};
use crate::weights::Weights;
use crate::{failure, forecast};

/// One device, or several GPUs that share the work.
pub(crate) struct Devices(Vec<DeviceInfo>);

impl Devices {
    /// Those that the command line names.
    pub(crate) fn find(args: &DeviceArgs) -> Result<Self> {
        Ok(Self(args.device.find()?))
    }

    /// The same for a command that needs one.
    pub(crate) fn find_one(args: &DeviceArgs, what: &str) -> Result<Self> {
        let devices = Self::find(args)?;
        devices.one(what)?;
        Ok(devices)
    }

    /// The same for a command that runs nothing: named devices may be in another machine, and then their limits are not
    /// known, nor how many `all` are.
    pub(crate) fn named(args: &DeviceArgs) -> Result<Self> {
        let error = match args.device.find() {
            Ok(devices) => return Ok(Self(devices)),
            Err(error @ DeviceError::NotShared { .. }) => return Err(error.into()),
            Err(error) => error,
        };
        let devices: Option<Vec<_>> = args.device.named().map(elsewhere).collect();
        Ok(Self(devices.ok_or(error)?))
    }

    /// Refuses several for what only one can do.
    pub(crate) fn one(&self, what: &str) -> Result<()> {
        match &self.0[..] {
            [_] => Ok(()),
            [first, ..] => bail!(
                "{what} runs on one device, found {}; name one, as in --device {}",
                self.spec(),
                first.spec
            ),
            [] => Ok(()),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Of those, the one whose buffers are smallest: what fits on it fits on each.
    pub(crate) fn tightest(&self) -> &DeviceInfo {
        let buffer = |device: &&DeviceInfo| device.max_buffer.unwrap_or(u64::MAX);
        let tightest = self.0.iter().min_by_key(buffer);
        tightest.expect("a specification finds a device or fails")
    }

    /// Where the tower runs, as far as memory is concerned.
    pub(crate) fn target(&self, args: &DeviceArgs) -> Target {
        Target {
            devices: self.count(),
            ..forecast::target(self.tightest(), args)
        }
    }

    /// The weights on each device, each held to what `bound` says.
    pub(crate) fn load(
        &self,
        weights: &Weights,
        args: &ComputeArgs,
        bound: impl Fn(VisionEncoder) -> VisionEncoder,
    ) -> Result<ParallelEncoder> {
        let load = |device| {
            let encoder = bound(weights.load(device, args.device.dtype)?);
            Ok(match args.attention_method.method() {
                Some(method) => encoder.with_attention(method),
                None => encoder,
            })
        };
        let encoders = self.0.iter().map(load).collect::<Result<_>>()?;
        Ok(ParallelEncoder::new(encoders)?)
    }

    /// What went wrong, shortly, and where; burn's long account goes to `detail`.
    pub(crate) fn explain(&self, error: glm4v::Error, detail: &dyn Fn(&str)) -> Error {
        match error {
            glm4v::Error::OnDevice { index, source, .. } => {
                let DeviceInfo { spec, name, .. } = &self.0[index];
                self.explain(*source, detail)
                    .context(format!("{spec} ({name})"))
            }
            glm4v::Error::Execution(account) => {
                detail(&account);
                glm4v::Error::Execution(failure::root(&account).to_owned()).into()
            }
            error => error.into(),
        }
    }

    /// As `--device` takes them.
    pub(crate) fn spec(&self) -> String {
        let specs = self.0.iter().map(|device| device.spec.to_string());
        specs.collect::<Vec<_>>().join(",")
    }

    /// For people: `cuda:0 (NVIDIA H100)`.
    pub(crate) fn said(&self) -> String {
        format!("{} ({})", self.spec(), self.names())
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({"spec": self.spec(), "name": self.names()})
    }

    /// The parts' names; of equal parts one.
    fn names(&self) -> String {
        let mut names: Vec<&str> = self.0.iter().map(|device| &device.name[..]).collect();
        names.dedup();
        names.join(", ")
    }
}

/// What is known of a device that is not here; of `auto`, nothing.
fn elsewhere(spec: DeviceSpec) -> Option<DeviceInfo> {
    Some(DeviceInfo {
        spec,
        name: "not here".into(),
        kind: match spec.backend? {
            Backend::Flex | Backend::Ndarray => DeviceKind::Cpu,
            _ => DeviceKind::Gpu,
        },
        max_buffer: None,
    })
}
