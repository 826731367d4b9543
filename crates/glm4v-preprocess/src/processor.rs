use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use glm4v_config::{
    ConfigError, GridThw, ImageProcessorConfig, Preset, ProcessorFiles, SizeBudget,
    VideoProcessorConfig, VisionConfig,
};
use image::{DynamicImage, RgbImage};

use crate::patch_shape::{IMAGE_PROCESSOR, PatchShape, TOWER, VIDEO_PROCESSOR};
use crate::{
    ImageProcessor, Patches, PreprocessError, SampledFrames, VideoMetadata, VideoProcessor,
};

/// Makes patch rows of images and videos, on the host.
///
/// ```
/// use glm4v_config::{GridThw, Preset};
/// use glm4v_preprocess::{Processor, Source};
/// use image::DynamicImage;
///
/// let processor = Processor::from_preset(Preset::Glm41V9B);
/// let image = processor.probe(Source::from_image(DynamicImage::new_rgb8(640, 480)))?;
/// assert_eq!(image.grid, GridThw::new(1, 34, 46));
///
/// let (patches, errors) = processor.read_batch(&[image]);
/// assert!(errors[0].is_none());
/// assert_eq!(patches.num_tokens(2), 17 * 23);
/// # Ok::<(), glm4v_preprocess::PreprocessError>(())
/// ```
pub struct Processor {
    image: ImageProcessor,
    video: OnceLock<VideoProcessor>,
    /// The files with the configuration for videos. It is read for the first video.
    files: Option<ProcessorFiles>,
    /// The limits of `files` are replaced by these.
    budget: Option<SizeBudget>,
}

impl Processor {
    /// A processor for images and videos.
    ///
    /// # Errors
    /// [`PreprocessError::Config`] for an invalid configuration. [`PreprocessError::Mismatch`] where the patches of the
    /// two differ in size.
    pub fn new(
        image: ImageProcessorConfig,
        video: VideoProcessorConfig,
    ) -> Result<Self, PreprocessError> {
        Self::image_only(image)?.with_video(video)
    }

    /// A processor for images, which refuses videos.
    ///
    /// # Errors
    /// [`ConfigError`] for an invalid configuration.
    pub fn image_only(image: ImageProcessorConfig) -> Result<Self, ConfigError> {
        image.validate()?;
        Ok(Self {
            image: ImageProcessor::new(image),
            video: OnceLock::new(),
            files: None,
            budget: None,
        })
    }

    /// The processor of a checkpoint, from the [`ProcessorFiles`] in `dir`.
    ///
    /// # Errors
    /// Those of [`Processor::from_files`], and [`ConfigError::Io`].
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::from_files(ProcessorFiles::from_dir(dir)?)
    }

    /// The processor of a checkpoint with these files. The configuration for videos is read for the first video.
    ///
    /// # Errors
    /// Those of [`ProcessorFiles::image`]. They name the file.
    pub fn from_files(files: ProcessorFiles) -> Result<Self, ConfigError> {
        Ok(Self {
            files: Some(files.clone()),
            ..Self::image_only(files.image()?)?
        })
    }

    /// The processor of a preset.
    #[must_use]
    pub fn from_preset(preset: Preset) -> Self {
        Self::new(preset.image_processor(), preset.video_processor()).expect("presets are valid")
    }

    /// Uses `config` for videos.
    ///
    /// # Errors
    /// Those of [`Processor::new`].
    pub fn with_video(mut self, config: VideoProcessorConfig) -> Result<Self, PreprocessError> {
        self.video = OnceLock::from(self.video_processor(config)?);
        Ok(self)
    }

    /// Limits the size of all resized images and videos. [`Processor::probe_within`] does it for one input.
    ///
    /// # Errors
    /// [`PreprocessError::Config`] for limits that [`ImageProcessorConfig::within`] refuses.
    pub fn with_budget(self, budget: SizeBudget) -> Result<Self, PreprocessError> {
        let limited = Self {
            image: ImageProcessor::new(self.config().within(budget)?),
            video: OnceLock::new(),
            files: self.files,
            budget: Some(budget),
        };
        let Some(video) = self.video.into_inner() else {
            return Ok(limited);
        };
        let mut config = video.config().clone();
        config.frames = config.frames.within(budget)?;
        limited.with_video(config)
    }

    /// The configuration for images.
    #[must_use]
    pub fn config(&self) -> &ImageProcessorConfig {
        self.image.config()
    }

    /// The processor of images.
    #[must_use]
    pub fn image(&self) -> &ImageProcessor {
        &self.image
    }

    /// The processor of videos.
    ///
    /// # Errors
    /// [`PreprocessError::NoVideoProcessor`] for a processor of images only. [`PreprocessError::Config`] and
    /// [`PreprocessError::Mismatch`] for an invalid configuration.
    pub fn video(&self) -> Result<&VideoProcessor, PreprocessError> {
        if let Some(video) = self.video.get() {
            return Ok(video);
        }
        let files = self.files.as_ref();
        let mut config = files.ok_or(PreprocessError::NoVideoProcessor)?.video()?;
        if let Some(budget) = self.budget {
            config.frames = config.frames.within(budget)?;
        }
        let video = self.video_processor(config)?;
        Ok(self.video.get_or_init(|| video))
    }

    /// The grid of an image of `height` × `width` pixels.
    ///
    /// # Errors
    /// Those of [`ImageProcessor::grid`].
    pub fn grid(&self, height: usize, width: usize) -> Result<GridThw, PreprocessError> {
        self.image.grid(height, width)
    }

    /// The grid of a video with `num_frames` sampled frames of `height` × `width` pixels.
    ///
    /// # Errors
    /// Those of [`Processor::video`] and [`VideoProcessor::grid`].
    pub fn video_grid(
        &self,
        num_frames: usize,
        height: usize,
        width: usize,
    ) -> Result<GridThw, PreprocessError> {
        self.video()?.grid(num_frames, height, width)
    }

    /// The patch rows of images of any sizes, in their order ([`ImageProcessor::preprocess`]).
    ///
    /// # Errors
    /// Those of [`ImageProcessor::preprocess`].
    pub fn preprocess_images(&self, images: &[DynamicImage]) -> Result<Patches, PreprocessError> {
        self.image.preprocess(images)
    }

    /// The patch rows of a video in memory, of which `frames` are all frames in order
    /// ([`VideoProcessor::preprocess`]).
    ///
    /// # Errors
    /// Those of [`Processor::video`] and [`VideoProcessor::preprocess`].
    pub fn preprocess_frames(
        &self,
        frames: impl IntoIterator<Item = RgbImage>,
        metadata: &VideoMetadata,
    ) -> Result<(Patches, SampledFrames), PreprocessError> {
        self.video()?.preprocess(frames, metadata)
    }

    /// Checks that the tower of `config` reads such patches.
    ///
    /// # Errors
    /// [`PreprocessError::Mismatch`] for the first size in which the two differ.
    pub fn check(&self, config: &VisionConfig) -> Result<(), PreprocessError> {
        let processor = PatchShape::of_processor(self.config());
        processor.compare(IMAGE_PROCESSOR, PatchShape::of_tower(config), TOWER)
    }

    /// A video processor whose patches have the size of those of images.
    fn video_processor(
        &self,
        config: VideoProcessorConfig,
    ) -> Result<VideoProcessor, PreprocessError> {
        config.validate()?;
        let image = PatchShape::of_processor(self.config());
        PatchShape::of_processor(&config.frames).compare(
            VIDEO_PROCESSOR,
            image,
            IMAGE_PROCESSOR,
        )?;
        Ok(VideoProcessor::new(config))
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
