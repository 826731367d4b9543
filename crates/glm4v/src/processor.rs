use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use glm4v_config::{
    ConfigError, GridThw, ImageProcessorConfig, Preset, VideoProcessorConfig, VisionConfig,
};
use glm4v_preprocess::{ImageProcessor, Patches, VideoProcessor};
use image::DynamicImage;

use crate::Error;

/// Colour channels of a picture's patches.
const RGB: usize = 3;
const VIDEO_PREPROCESSOR: &str = "video_preprocessor_config.json";

/// Pictures and clips to patch rows, on the host.
pub struct Processor {
    image: ImageProcessor,
    video: OnceLock<VideoProcessor>,
    /// Where the video processor's configuration is, if anywhere, until the first clip comes.
    video_file: Option<PathBuf>,
}

impl Processor {
    /// A processor that follows `image` with pictures and `video` with clips.
    ///
    /// # Errors
    /// [`Error::Config`] for a configuration that is not valid, [`Error::Disagreement`] where the two cut patches of
    /// different sizes.
    pub fn new(image: ImageProcessorConfig, video: VideoProcessorConfig) -> Result<Self, Error> {
        Self::of_pictures(image)?.with_video(video)
    }

    /// A processor that follows `image` with pictures, and takes no clips.
    ///
    /// # Errors
    /// [`ConfigError`] for a configuration that is not valid.
    pub fn of_pictures(image: ImageProcessorConfig) -> Result<Self, ConfigError> {
        image.validate()?;
        Ok(Self {
            image: ImageProcessor::new(image),
            video: OnceLock::new(),
            video_file: None,
        })
    }

    /// The processor of a checkpoint: `preprocessor_config.json` in `dir`, and, read when the first clip comes,
    /// `video_preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let dir = dir.as_ref();
        let image = ImageProcessorConfig::from_file(dir.join("preprocessor_config.json"))?;
        Ok(Self {
            video_file: Some(dir.join(VIDEO_PREPROCESSOR)),
            ..Self::of_pictures(image)?
        })
    }

    /// The processor of a preset.
    ///
    /// # Errors
    /// None of our presets has any.
    pub fn of_preset(preset: Preset) -> Result<Self, Error> {
        Self::new(preset.image_processor(), preset.video_processor())
    }

    /// Follows `config` with clips.
    ///
    /// # Errors
    /// As [`Processor::new`].
    pub fn with_video(mut self, config: VideoProcessorConfig) -> Result<Self, Error> {
        self.video = OnceLock::from(self.agreeing(config)?);
        Ok(self)
    }

    pub(crate) fn image(&self) -> &ImageProcessor {
        &self.image
    }

    /// What this processor follows with pictures.
    #[must_use]
    pub fn config(&self) -> &ImageProcessorConfig {
        self.image.config()
    }

    /// What makes patch rows of clips.
    ///
    /// # Errors
    /// [`Error::NoVideoProcessor`] where there is no configuration for clips, [`Error::Config`] where it
    /// is broken, and [`Error::Disagreement`].
    pub fn video(&self) -> Result<&VideoProcessor, Error> {
        if let Some(video) = self.video.get() {
            return Ok(video);
        }
        let file = self.video_file.as_deref();
        let file = file.filter(|file| file.exists()).ok_or_else(|| {
            let file = file.unwrap_or(Path::new(VIDEO_PREPROCESSOR)).to_owned();
            Error::NoVideoProcessor { file }
        })?;
        let video = self.agreeing(VideoProcessorConfig::from_file(file)?)?;
        Ok(self.video.get_or_init(|| video))
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
        let tower = Patch {
            in_channels: config.in_channels,
            patch_size: config.patch_size,
            temporal_patch_size: config.temporal_patch_size,
            merge_size: config.spatial_merge_size,
        };
        let processor = (IMAGE_PROCESSOR, Patch::of(self.config()));
        Patch::compare(processor, ("the tower (config.json)", tower))
    }

    /// A video processor whose patches are of the same size as those of pictures.
    fn agreeing(&self, config: VideoProcessorConfig) -> Result<VideoProcessor, Error> {
        config.validate()?;
        let video = "the video processor (video_preprocessor_config.json)";
        let image = (IMAGE_PROCESSOR, Patch::of(self.config()));
        Patch::compare((video, Patch::of(&config.frames)), image)?;
        Ok(VideoProcessor::new(config))
    }
}

const IMAGE_PROCESSOR: &str = "the processor (preprocessor_config.json)";

/// What two sides must agree in, under the processors' names.
struct Patch {
    in_channels: usize,
    patch_size: usize,
    temporal_patch_size: usize,
    merge_size: usize,
}

impl Patch {
    fn of(config: &ImageProcessorConfig) -> Self {
        Self {
            in_channels: RGB,
            patch_size: config.patch_size,
            temporal_patch_size: config.temporal_patch_size,
            merge_size: config.merge_size,
        }
    }

    fn compare(
        (one, own): (&'static str, Self),
        (other, others): (&'static str, Self),
    ) -> Result<(), Error> {
        let sizes = |patch: Self| {
            [
                ("in_channels", patch.in_channels),
                ("patch_size", patch.patch_size),
                ("temporal_patch_size", patch.temporal_patch_size),
                ("merge_size", patch.merge_size),
            ]
        };
        let pairs = sizes(own).into_iter().zip(sizes(others));
        for ((field, one_has), (_, other_has)) in pairs {
            if one_has != other_has {
                return Err(Error::Disagreement {
                    field,
                    one,
                    one_has,
                    other,
                    other_has,
                });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processor")
            .field("image", self.config())
            .field("video", &self.video.get().map(VideoProcessor::config))
            .finish()
    }
}
