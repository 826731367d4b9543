use std::fmt;
use std::path::Path;

use glm4v_config::{ConfigError, GridThw, ImageProcessorConfig, VisionConfig};
use glm4v_preprocess::{ImageProcessor, Patches};
use image::DynamicImage;

use crate::Error;

/// Colour channels of a picture's patches.
const RGB: usize = 3;

/// Pictures to patch rows, on the host.
pub struct Processor {
    image: ImageProcessor,
}

impl Processor {
    /// A processor that follows `config`.
    ///
    /// # Errors
    /// [`ConfigError`] for a configuration that is not valid.
    pub fn new(config: ImageProcessorConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let image = ImageProcessor::new(config);
        Ok(Self { image })
    }

    /// The processor of a checkpoint: `preprocessor_config.json` in `dir`.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let file = dir.as_ref().join("preprocessor_config.json");
        Self::new(ImageProcessorConfig::from_file(file)?)
    }

    /// What this processor follows.
    #[must_use]
    pub fn config(&self) -> &ImageProcessorConfig {
        self.image.config()
    }

    /// The grid of a picture of `height` × `width` pixels; [`GridThw::num_tokens`] of it are the tokens it will take.
    ///
    /// # Errors
    /// [`Error::Preprocess`] for a size that is refused.
    pub fn grid(&self, height: usize, width: usize) -> Result<GridThw, Error> {
        Ok(self.image.grid(height, width)?)
    }

    /// The patch rows of pictures of any sizes, packed into one batch; all cores work on them.
    ///
    /// # Errors
    /// [`Error::Preprocess`] for a picture that is refused.
    pub fn images(&self, pictures: &[DynamicImage]) -> Result<Patches, Error> {
        Ok(self.image.images(pictures)?)
    }

    /// Checks that the patches are such as the tower of `config` reads.
    ///
    /// # Errors
    /// [`Error::Disagreement`] for the first size in which the two differ.
    pub fn check(&self, config: &VisionConfig) -> Result<(), Error> {
        let own = self.config();
        for (field, processor, tower) in [
            ("in_channels", RGB, config.in_channels),
            ("patch_size", own.patch_size, config.patch_size),
            (
                "temporal_patch_size",
                own.temporal_patch_size,
                config.temporal_patch_size,
            ),
            ("merge_size", own.merge_size, config.spatial_merge_size),
        ] {
            if processor != tower {
                return Err(Error::Disagreement {
                    field,
                    processor,
                    tower,
                });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut processor = f.debug_struct("Processor");
        processor.field("config", self.config()).finish()
    }
}
