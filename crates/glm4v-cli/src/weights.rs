//! The weights that a command uses.

use anyhow::Result;
use glm4v::weights::{Checkpoint, Fingerprint, LocalModel};
use glm4v::{Error, LoadOptions, Preset, Processor, VisionConfig, VisionEncoder};
use serde_json::{Value, json};

use crate::args::ModelArgs;
use crate::console::Console;
use crate::model::{self, ModelFiles};

/// Where the weights of an encoder come from.
pub(crate) enum Weights {
    /// A checkpoint, and its name on the command line.
    Checkpoint {
        model: Box<LocalModel>,
        name: String,
    },
    Random {
        preset: Preset,
        seed: u64,
    },
}

impl Weights {
    /// The weights that the command line names. Files of a model on the hub are downloaded if necessary.
    pub(crate) fn find(
        args: &ModelArgs,
        seed: Option<u64>,
        files: ModelFiles,
        console: &Console,
    ) -> Result<Self> {
        let Some(name) = &args.model else {
            return Ok(Self::Random {
                preset: args.preset.unwrap_or(Preset::Tiny),
                seed: seed.unwrap_or(0),
            });
        };
        Ok(Self::Checkpoint {
            model: model::find(name, &args.processor, &args.revision, files, console)?.into(),
            name: name.clone(),
        })
    }

    pub(crate) fn processor(&self) -> Result<Processor> {
        Ok(match self {
            Self::Checkpoint { model, .. } => model.processor()?,
            Self::Random { preset, .. } => Processor::from_preset(*preset),
        })
    }

    pub(crate) fn config(&self) -> Result<VisionConfig> {
        Ok(match self {
            Self::Checkpoint { model, .. } => model.config()?,
            Self::Random { preset, .. } => preset.vision(),
        })
    }

    pub(crate) fn load(&self, options: &LoadOptions) -> Result<VisionEncoder, Error> {
        match self {
            Self::Checkpoint { model, .. } => {
                let options = LoadOptions {
                    processor: model.processor_source().cloned(),
                    ..options.clone()
                };
                VisionEncoder::load(model.path(), &options)
            }
            Self::Random { preset, seed } => VisionEncoder::random(*preset, *seed, options),
        }
    }

    /// What tells these weights from others. All of them are read.
    pub(crate) fn fingerprint(&self, config: &VisionConfig) -> Result<Fingerprint> {
        Ok(match self {
            Self::Checkpoint { model, .. } => {
                Checkpoint::open(model.path())?.fingerprint(config)?
            }
            Self::Random { preset, seed } => Fingerprint::random(*preset, *seed),
        })
    }

    /// Tells a new user that random weights give meaningless values.
    pub(crate) fn announce(&self, console: &Console) {
        if let Self::Random { .. } = self {
            console.note(&format!(
                "the weights are random ({self}), so the values mean nothing; for real weights, name a checkpoint: \
                 -m {} downloads its vision tower, -m DIR reads a directory",
                model::EXAMPLE
            ));
        }
    }

    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Checkpoint { model, name } => {
                json!({"model": name, "checkpoint": model.path().to_string_lossy()})
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
