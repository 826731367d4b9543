use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use glm4v::{DeviceInfo, Error, Preset, Processor, VisionConfig, VisionEncoder};
use serde_json::{Value, json};

use crate::console::Console;
use crate::values::Dtype;

/// Where an encoder comes from.
pub(crate) enum Weights {
    /// A checkpoint's directory.
    Checkpoint(PathBuf),
    /// A generator.
    Random {
        /// The size.
        preset: Preset,
        /// The seed.
        seed: u64,
    },
}

impl Weights {
    /// A checkpoint if there is one; clap has seen to it that nothing contradicts it.
    pub(crate) fn new(model: Option<PathBuf>, preset: Option<Preset>, seed: Option<u64>) -> Self {
        match model {
            Some(dir) => Self::Checkpoint(dir),
            None => Self::Random {
                preset: preset.unwrap_or(Preset::Tiny),
                seed: seed.unwrap_or(0),
            },
        }
    }

    /// What feeds the encoder.
    pub(crate) fn processor(&self) -> Result<Processor> {
        match self {
            Self::Checkpoint(dir) => {
                check_dir(dir)?;
                Ok(Processor::from_dir(dir)?)
            }
            Self::Random { preset, .. } => Ok(Processor::of_preset(*preset)?),
        }
    }

    /// Refuses a configuration that is missing or broken, before pictures are read for it.
    pub(crate) fn check(&self) -> Result<()> {
        if let Self::Checkpoint(dir) = self {
            check_dir(dir)?;
            VisionConfig::from_file(dir.join("config.json"))?;
        }
        Ok(())
    }

    /// The encoder, on `device`.
    pub(crate) fn load(&self, device: &DeviceInfo, dtype: Dtype) -> Result<VisionEncoder> {
        let opened = device.spec.open()?;
        let encoder = match self {
            Self::Checkpoint(dir) => {
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
                "the weights are random ({self}), so the values mean nothing; for real ones, download a checkpoint \
                 (hf download zai-org/GLM-4.1V-9B-Thinking --local-dir DIR) and name it with -m DIR"
            ));
        }
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Checkpoint(dir) => json!({"checkpoint": dir.to_string_lossy()}),
            Self::Random { preset, seed } => json!({"preset": preset.name(), "seed": seed}),
        }
    }
}

impl std::fmt::Display for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checkpoint(dir) => write!(f, "{}", dir.display()),
            Self::Random { preset, seed } => write!(f, "preset {preset}, seed {seed}"),
        }
    }
}

/// Says what a missing directory is wanted for, rather than which file in it is missing.
pub(crate) fn check_dir(dir: &Path) -> Result<()> {
    if !dir.is_dir() {
        bail!("{}: there is no such checkpoint directory", dir.display());
    }
    Ok(())
}
