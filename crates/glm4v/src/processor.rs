use std::path::Path;

use glm4v_config::{
    ConfigError, GridThw, ImageProcessorConfig, VideoProcessorConfig, VisionConfig,
};
use glm4v_preprocess::{ImageProcessor, Patches};
use image::DynamicImage;

use crate::Error;

/// Pictures to patch rows, on the host.
pub struct Processor {
    image: ImageProcessor,
}

impl Processor {
    /// A processor that follows `config`.
    #[must_use]
    pub fn new(config: ImageProcessorConfig) -> Self {
        let image = ImageProcessor::new(config);
        Self { image }
    }

    /// The processor of a checkpoint: `preprocessor_config.json` in `dir`. A `video_preprocessor_config.json` beside it
    /// is checked as well.
    ///
    /// # Errors
    /// [`Error::Config`], naming the file.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let dir = dir.as_ref();
        let image = ImageProcessorConfig::from_file(dir.join("preprocessor_config.json"))?;
        let video = dir.join("video_preprocessor_config.json");
        if video.exists() {
            VideoProcessorConfig::from_file(video)?;
        }
        Ok(Self::new(image))
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
