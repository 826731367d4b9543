use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use glm4v_config::{
    ConfigError, ImageProcessorConfig, Preset, VideoProcessorConfig, VisionConfig, VisionModelType,
};
use glm4v_preprocess::Processor;
use glm4v_weights::{Checkpoint, Mmproj, gguf_file};

use crate::Error;

/// Where the settings of the image and video processors come from: a preset, or the files in a directory.
///
/// ```
/// use glm4v::{Preset, weights::ProcessorSource};
///
/// let source: ProcessorSource = "glm-4.6v-flash".parse()?;
/// assert_eq!(source, ProcessorSource::Preset(Preset::Glm46VFlash));
/// # Ok::<(), glm4v::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessorSource {
    /// The settings of a published checkpoint.
    Preset(Preset),
    /// `processor_config.json` or `preprocessor_config.json` of this directory.
    Directory(PathBuf),
}

impl FromStr for ProcessorSource {
    type Err = ConfigError;

    /// The name of a preset, or the path of a directory.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text.parse() {
            Ok(preset) => Ok(Self::Preset(preset)),
            Err(_) if Path::new(text).is_dir() => Ok(Self::Directory(text.into())),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for ProcessorSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(preset) => preset.fmt(f),
            Self::Directory(dir) => dir.display().fmt(f),
        }
    }
}

/// A model on this machine: a directory in the published layout, or an `mmproj` file of llama.cpp (GGUF).
///
/// A GGUF file contains its configuration. It does not contain the settings of the processors, except the normalisation of
/// pixels and, for GLM-5.3, the limits of images. The other settings come from a preset or a directory. Without a
/// [`ProcessorSource`], the preset is GLM-4.1V, GLM-OCR or GLM-5.3, depending on the tower ([`LocalModel::assumed_preset`]).
#[derive(Clone, Debug)]
pub struct LocalModel {
    /// The directory or the file.
    path: PathBuf,
    /// The content of a GGUF file.
    mmproj: Option<Mmproj>,
    processor: Option<ProcessorSource>,
}

impl LocalModel {
    /// Finds the model at `path`, whose processors have the settings of `processor`, if it is given. Only the header of a
    /// GGUF file is read.
    ///
    /// # Errors
    /// [`Error::NoSuchModel`] for a file that is not GGUF, and [`Error::Weights`] for a damaged GGUF file.
    pub fn open(path: impl AsRef<Path>, processor: Option<ProcessorSource>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = gguf_file(path)?;
        if file.is_none() && path.is_file() {
            let name = path.display().to_string();
            let hint =
                "this file is not GGUF; name the directory of the checkpoint, or a .gguf file";
            return Err(Error::NoSuchModel { name, hint });
        }
        let mmproj = match &file {
            Some(file) => Checkpoint::open(file)?.mmproj().cloned(),
            None => None,
        };
        Ok(Self {
            path: file.unwrap_or_else(|| path.to_owned()),
            mmproj,
            processor,
        })
    }

    /// The directory, or the GGUF file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The given source of the processors' settings.
    #[must_use]
    pub fn processor_source(&self) -> Option<&ProcessorSource> {
        self.processor.as_ref()
    }

    /// The preset whose settings of the processors are used because the GGUF file has none and no source was given.
    #[must_use]
    pub fn assumed_preset(&self) -> Option<Preset> {
        match (&self.mmproj, &self.processor) {
            (Some(mmproj), None) => Some(preset_of(mmproj)),
            (Some(_) | None, _) => None,
        }
    }

    /// The configuration of the tower.
    ///
    /// # Errors
    /// [`Error::Config`] for a `config.json` that is missing or refused.
    pub fn config(&self) -> Result<VisionConfig, Error> {
        match &self.mmproj {
            Some(mmproj) => Ok(mmproj.config.clone()),
            None => Ok(VisionConfig::from_file(self.path.join("config.json"))?),
        }
    }

    /// The processor.
    ///
    /// # Errors
    /// [`Error::Config`] for a file that is missing or refused, and for one that normalises pixels in another way than the
    /// GGUF file.
    pub fn processor(&self) -> Result<Processor, Error> {
        let Some(mmproj) = &self.mmproj else {
            return Ok(match &self.processor {
                None => Processor::from_dir(&self.path)?,
                Some(ProcessorSource::Preset(preset)) => Processor::from_preset(*preset),
                Some(ProcessorSource::Directory(dir)) => Processor::from_dir(dir)?,
            });
        };
        match &self.processor {
            None => {
                let preset = preset_of(mmproj);
                let (mut image, video) = (preset.image_processor(), preset.video_processor());
                image.tokens = mmproj.tokens.or(image.tokens);
                of_tower(mmproj, image, video)
            }
            Some(ProcessorSource::Preset(preset)) => {
                of_tower(mmproj, preset.image_processor(), preset.video_processor())
            }
            Some(ProcessorSource::Directory(dir)) => {
                let processor = Processor::from_dir(dir)?;
                self.check(mmproj, processor.config(), dir)?;
                Ok(processor)
            }
        }
    }

    /// The checkpoint with the weights.
    ///
    /// # Errors
    /// [`Error::Weights`] for files that are missing or damaged.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        Ok(Checkpoint::open(&self.path)?)
    }

    /// Checks that files of the processors normalise pixels as the GGUF file says.
    fn check(
        &self,
        mmproj: &Mmproj,
        files: &ImageProcessorConfig,
        dir: &Path,
    ) -> Result<(), ConfigError> {
        for (field, expected, found) in [
            ("image_mean", mmproj.image_mean, files.image_mean),
            ("image_std", mmproj.image_std, files.image_std),
        ] {
            if expected != found {
                let source = ConfigError::Invalid {
                    field,
                    expected: format!("{expected:?} as in {}", self.path.display()),
                    found: format!("{found:?}"),
                };
                return Err(ConfigError::File {
                    path: dir.to_owned(),
                    source: source.into(),
                });
            }
        }
        Ok(())
    }
}

/// The preset whose processors are the published ones of a tower. GLM-4.1V, 4.5V, 4.6V and GLM-GA have one kind of file.
fn preset_of(mmproj: &Mmproj) -> Preset {
    match mmproj.config.model_type {
        VisionModelType::Glm4vVision | VisionModelType::Glm4vMoeVision => Preset::Glm41V9B,
        VisionModelType::GlmOcrVision => Preset::GlmOcr,
        VisionModelType::Glm5NextVision => Preset::Glm53Flash,
    }
}

/// A processor with these settings, and with the patches and the normalisation of the GGUF file.
fn of_tower(
    mmproj: &Mmproj,
    mut image: ImageProcessorConfig,
    mut video: VideoProcessorConfig,
) -> Result<Processor, Error> {
    for config in [&mut image, &mut video.frames] {
        config.image_mean = mmproj.image_mean;
        config.image_std = mmproj.image_std;
        config.patch_size = mmproj.config.patch_size;
        config.temporal_patch_size = mmproj.config.temporal_patch_size;
        config.merge_size = mmproj.config.spatial_merge_size;
    }
    Ok(Processor::new(image, video)?)
}

#[cfg(test)]
mod tests {
    use glm4v_config::TokenLimits;

    use super::*;

    fn mmproj(preset: Preset, tokens: Option<TokenLimits>) -> Mmproj {
        Mmproj {
            config: VisionConfig {
                patch_size: 16,
                image_size: 336,
                ..preset.vision()
            },
            image_mean: [0.25; 3],
            image_std: [0.5; 3],
            tokens,
        }
    }

    fn model(mmproj: Mmproj, processor: Option<ProcessorSource>) -> LocalModel {
        LocalModel {
            path: "x.gguf".into(),
            mmproj: Some(mmproj),
            processor,
        }
    }

    #[test]
    fn the_tower_chooses_the_processor() {
        for (preset, assumed) in [
            (Preset::Glm46VFlash, Preset::Glm41V9B),
            (Preset::Glm45V, Preset::Glm41V9B),
            (Preset::GlmOcr, Preset::GlmOcr),
            (Preset::Glm53Flash, Preset::Glm53Flash),
        ] {
            let model = model(mmproj(preset, None), None);
            assert_eq!(model.assumed_preset(), Some(assumed));
            let processor = model.processor().unwrap();
            processor.check(&model.config().unwrap()).unwrap();
            assert_eq!(processor.config().size, assumed.image_processor().size);
            assert_eq!(processor.config().image_mean, [0.25; 3]);
            let video = processor.video().unwrap().config();
            assert_eq!(video.sampling, assumed.video_processor().sampling);
            assert_eq!(video.frames.image_std, [0.5; 3]);
        }
    }

    #[test]
    fn limits_of_the_file_hold_unless_a_processor_is_named() {
        let tokens = TokenLimits {
            min_image_tokens: 3,
            max_image_tokens: 70,
        };
        let source = ProcessorSource::Preset(Preset::Glm53Flash);
        for (processor, expected) in [(None, 70), (Some(source), 8000)] {
            let model = model(mmproj(Preset::Glm53Flash, Some(tokens)), processor);
            let tokens = model.processor().unwrap().config().tokens;
            assert_eq!(tokens.unwrap().max_image_tokens, expected);
        }
    }

    #[test]
    fn files_of_another_normalisation_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("preprocessor_config.json");
        let source = || Some(ProcessorSource::Directory(dir.path().to_owned()));
        std::fs::write(&path, r#"{"image_mean": 0.25, "image_std": 0.75}"#).unwrap();
        let model = |source| model(mmproj(Preset::Glm41V9B, None), source);
        let message = model(source()).processor().unwrap_err().to_string();
        assert!(
            message.contains("`image_std`") && message.contains("x.gguf"),
            "{message}"
        );
        std::fs::write(&path, r#"{"image_mean": 0.25, "image_std": 0.5}"#).unwrap();
        let model = model(source());
        assert_eq!(model.processor().unwrap().config().image_std, [0.5; 3]);
        assert_eq!(model.assumed_preset(), None);
    }

    #[test]
    fn a_source_is_a_preset_or_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        let source: ProcessorSource = path.parse().unwrap();
        assert_eq!(source.to_string(), path);
        let message = "glm-9".parse::<ProcessorSource>().unwrap_err().to_string();
        assert!(
            message.contains("`glm-9`") && message.contains("glm-4.6v"),
            "{message}"
        );
    }
}
