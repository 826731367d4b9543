//! The weights that a command uses.

use std::cell::OnceCell;

use anyhow::Result;
use glm4v::weights::{FileStates, Fingerprint, LocalModel};
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
        /// The files as they were when they were loaded or hashed first.
        files: OnceCell<FileStates>,
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
            files: OnceCell::new(),
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

    /// Loads the weights. If they were hashed before, they must be the same.
    pub(crate) fn load(&self, options: &LoadOptions) -> Result<VisionEncoder, Error> {
        match self {
            Self::Checkpoint { model, files, .. } => {
                let options = LoadOptions {
                    processor: model.processor_source().cloned(),
                    ..options.clone()
                };
                let encoder = VisionEncoder::load(model.path(), &options)?;
                if let Some(hashed) = files.get() {
                    hashed.check(&model.checkpoint()?.file_states()?)?;
                } else if let Some(loaded) = encoder.file_states() {
                    files.get_or_init(|| loaded.clone());
                }
                Ok(encoder)
            }
            Self::Random { preset, seed } => VisionEncoder::random(*preset, *seed, options),
        }
    }

    /// What tells these weights from others. All of them are read. If they were loaded before, they must be the same.
    pub(crate) fn fingerprint(&self, config: &VisionConfig) -> Result<Fingerprint> {
        Ok(match self {
            Self::Checkpoint { model, files, .. } => {
                let checkpoint = model.checkpoint()?;
                let now = checkpoint.file_states()?;
                checkpoint.fingerprint_of(files.get_or_init(|| now), config)?
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
            Self::Checkpoint { model, name, .. } => {
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

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::SystemTime;

    use glm4v::weights::{Encoding, WriteOptions, write_checkpoint};

    use super::*;

    fn weights(dir: &Path) -> Weights {
        let preset = Preset::Tiny;
        let options = WriteOptions {
            model_type: preset.model_type(),
            vision: &preset.vision(),
            image_processor: &preset.image_processor(),
            video_processor: &preset.video_processor(),
            seed: 0,
            encoding: Encoding::F32,
        };
        write_checkpoint(dir, &options).unwrap();
        Weights::Checkpoint {
            model: LocalModel::open(dir, None).unwrap().into(),
            name: "a".into(),
            files: OnceCell::new(),
        }
    }

    /// Changes the times of all files.
    fn change(dir: &Path) {
        for file in fs::read_dir(dir).unwrap() {
            let path = file.unwrap().path();
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
    }

    #[test]
    fn weights_that_are_loaded_are_those_that_are_hashed() {
        let dir = tempfile::tempdir().unwrap();
        let (config, options) = (Preset::Tiny.vision(), LoadOptions::default());
        let check = |error: &dyn ToString| {
            let message = error.to_string();
            assert!(
                message.contains("safetensors: the file changed"),
                "{message}"
            );
        };

        let path = dir.path().join("loaded");
        let loaded = weights(&path);
        loaded.load(&options).unwrap();
        loaded.fingerprint(&config).unwrap();
        change(&path);
        check(&loaded.fingerprint(&config).unwrap_err());

        let path = dir.path().join("hashed");
        let hashed = weights(&path);
        hashed.fingerprint(&config).unwrap();
        hashed.load(&options).unwrap();
        change(&path);
        check(&hashed.load(&options).unwrap_err());
    }
}
