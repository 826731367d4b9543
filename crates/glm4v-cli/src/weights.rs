use std::path::PathBuf;

use anyhow::{Result, anyhow};
use glm4v::{DeviceInfo, Error, Preset, Processor, VisionConfig, VisionEncoder};
use serde_json::{Value, json};

use crate::args::{ComputeArgs, ModelArgs};
use crate::console::Console;
use crate::model::{self, Part};
use crate::values::Dtype;

/// Where an encoder comes from.
pub(crate) enum Weights {
    /// A checkpoint.
    Checkpoint {
        /// Its directory.
        dir: PathBuf,
        /// What the command line calls it.
        name: String,
    },
    /// A generator.
    Random {
        /// The size.
        preset: Preset,
        /// The seed.
        seed: u64,
    },
}

impl Weights {
    /// A checkpoint if there is one, fetched if it is not here; clap has seen to it that nothing contradicts it.
    pub(crate) fn new(args: &ComputeArgs, console: &Console) -> Result<Self> {
        Self::of(&args.model, args.seed, Part::Tower, console)
    }

    /// The same for what needs the processors alone.
    pub(crate) fn configs(args: &ModelArgs, console: &Console) -> Result<Self> {
        Self::of(args, None, Part::Configs, console)
    }

    fn of(args: &ModelArgs, seed: Option<u64>, part: Part, console: &Console) -> Result<Self> {
        let Some(name) = &args.model else {
            return Ok(Self::Random {
                preset: args.preset.unwrap_or(Preset::Tiny),
                seed: seed.unwrap_or(0),
            });
        };
        Ok(Self::Checkpoint {
            dir: model::directory(name, &args.revision, part, console)?,
            name: name.clone(),
        })
    }

    /// What feeds the encoder.
    pub(crate) fn processor(&self) -> Result<Processor> {
        match self {
            Self::Checkpoint { dir, .. } => Ok(Processor::from_dir(dir)?),
            Self::Random { preset, .. } => Ok(Processor::of_preset(*preset)?),
        }
    }

    /// The tower's configuration.
    pub(crate) fn config(&self) -> Result<VisionConfig> {
        match self {
            Self::Checkpoint { dir, .. } => Ok(VisionConfig::from_file(dir.join("config.json"))?),
            Self::Random { preset, .. } => Ok(preset.vision()),
        }
    }

    /// The encoder, on `device`.
    pub(crate) fn load(&self, device: &DeviceInfo, dtype: Dtype) -> Result<VisionEncoder> {
        let opened = device.spec.open()?;
        let encoder = match self {
            Self::Checkpoint { dir, .. } => {
                VisionEncoder::from_dir_with(dir, &opened, dtype.into()).map(|(encoder, _)| encoder)
            }
            Self::Random { preset, seed } => {
                VisionEncoder::random_with(*preset, *seed, &opened, dtype.into())
            }
        };
        encoder.map_err(|error| match error {
            // The library knows the device by burn's name only.
            Error::Dtype { .. } => anyhow!(
                "{} ({}) does not compute in {dtype}; --dtype f32 always works",
                device.spec,
                device.name
            ),
            error => error.into(),
        })
    }

    /// Tells a newcomer that random weights make meaningless values.
    pub(crate) fn announce(&self, console: &Console) {
        if let Self::Random { .. } = self {
            console.note(&format!(
                "the weights are random ({self}), so the values mean nothing; for real ones, name a checkpoint: \
                 -m {} fetches its vision tower, -m DIR reads a directory",
                model::EXAMPLE
            ));
        }
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Checkpoint { dir, name } => {
                json!({"model": name, "checkpoint": dir.to_string_lossy()})
            }
            Self::Random { preset, seed } => json!({"preset": preset.name(), "seed": seed}),
        }
    }
}

impl std::fmt::Display for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checkpoint { name, .. } => f.write_str(name),
            Self::Random { preset, seed } => write!(f, "preset {preset}, seed {seed}"),
        }
    }
}
