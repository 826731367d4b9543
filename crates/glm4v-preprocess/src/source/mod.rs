//! Inputs: images and videos, opened and probed once.

mod animation;
mod container;
mod ffmpeg;
mod folder;
mod image;
mod natural;
mod options;
mod video;

use std::fs;
use std::path::Path;

use ::image::{DynamicImage, RgbImage};

use crate::codec::{ImageCodec, foreign, read_image_file};
use crate::file::{io_error, read_up_to};
use crate::{PreprocessError, VideoMetadata};
pub use image::ImageSource;
pub(crate) use image::Pixels;
pub use options::ReadOptions;
pub use video::VideoSource;

/// The first bytes that tell a format: three packets of an MPEG transport stream.
const MAGIC_BYTES: usize = 1024;

/// An image or a video that is opened, but not decoded.
///
/// ```
/// use glm4v_preprocess::Source;
/// use image::DynamicImage;
///
/// let source = Source::from_image(DynamicImage::new_rgb8(640, 480));
/// assert_eq!(source.size(), (480, 640));
/// assert!(matches!(source, Source::Image(_)));
/// ```
#[derive(Debug)]
pub enum Source {
    /// One image.
    Image(ImageSource),
    /// A video.
    Video(VideoSource),
}

impl Source {
    /// Opens a file or a folder. The content decides what it is, whatever its name:
    ///
    /// - an image file of a format of [`ImageCodec`],
    /// - an animated GIF, WebP or PNG: a video, unless [`ReadOptions::first_frame_only`] is set,
    /// - a video file, for which ffmpeg 5.1 or later must be installed,
    /// - a folder of images: the frames of a video.
    ///
    /// An image file is read into memory, and its header is checked. Pixels are not decoded.
    ///
    /// # Errors
    /// Each error names the file. [`PreprocessError::Io`] for a file that cannot be read, otherwise
    /// [`PreprocessError::File`] with one of these reasons:
    ///
    /// - those of [`crate::decode_image`] that the header shows, and [`PreprocessError::UnknownFormat`],
    /// - [`PreprocessError::NoFrames`] for a folder without images,
    /// - [`PreprocessError::NoProgram`] where ffmpeg or ffprobe is missing,
    /// - [`PreprocessError::Program`] for a video file that they cannot read,
    /// - [`PreprocessError::NoVideo`] for a file without a video stream,
    /// - [`PreprocessError::TooLarge`] for frames beyond the limits,
    /// - [`PreprocessError::VideoMetadata`] for a video without frames.
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, PreprocessError> {
        let path = path.as_ref();
        Self::open_path(path, options).map_err(|error| error.in_file(path))
    }

    fn open_path(path: &Path, options: &ReadOptions) -> Result<Self, PreprocessError> {
        let metadata = fs::metadata(path).map_err(|source| io_error(path, source))?;
        if metadata.is_dir() {
            return VideoSource::folder(path, options).map(Self::Video);
        }
        let magic = read_up_to(path, MAGIC_BYTES as u64)?;
        if let Some(demuxer) = container::demuxer(&magic) {
            return VideoSource::video_file(path, demuxer, options).map(Self::Video);
        }
        check_format(&magic)?;
        Self::image_file(Some(path), read_image_file(path, &options.decode)?, options)
    }

    /// Opens a file that is already in memory: an image, or an animated image. `name` stands for the file in errors; it
    /// may be empty.
    ///
    /// # Errors
    /// Those of [`Source::open`], and [`PreprocessError::VideoBytes`] for a video file: ffmpeg must be able to seek in
    /// it.
    pub fn from_bytes(
        name: &str,
        bytes: Vec<u8>,
        options: &ReadOptions,
    ) -> Result<Self, PreprocessError> {
        let name = Some(Path::new(name)).filter(|name| !name.as_os_str().is_empty());
        let opened = match container::demuxer(&bytes[..bytes.len().min(MAGIC_BYTES)]) {
            Some(_) => Err(PreprocessError::VideoBytes),
            None => check_format(&bytes).and_then(|()| Self::image_file(name, bytes, options)),
        };
        opened.map_err(|error| error.named(name))
    }

    fn image_file(
        name: Option<&Path>,
        bytes: Vec<u8>,
        options: &ReadOptions,
    ) -> Result<Self, PreprocessError> {
        options.decode.limits.check_file(bytes.len())?;
        if !options.first_frame_only
            && let Some(contents) = animation::contents(&bytes)
        {
            return VideoSource::animation(name, bytes, contents, options).map(Self::Video);
        }
        ImageSource::from_file(name, bytes, &options.decode).map(Self::Image)
    }

    /// An image in memory. Its transparency is laid over white, as transformers' processor does with an image in
    /// memory; [`crate::open_image`] drops it, as transformers does with a file.
    #[must_use]
    pub fn from_image(image: DynamicImage) -> Self {
        Self::Image(ImageSource::from_image(image))
    }

    /// A video in memory: all its frames, in order.
    ///
    /// # Errors
    /// [`PreprocessError::VideoMetadata`] for invalid metadata and for no frames.
    pub fn from_frames(
        frames: Vec<RgbImage>,
        metadata: VideoMetadata,
    ) -> Result<Self, PreprocessError> {
        VideoSource::from_frames(frames, metadata).map(Self::Video)
    }

    /// (height, width) in pixels, after rotation.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        match self {
            Self::Image(image) => image.size(),
            Self::Video(video) => video.size(),
        }
    }

    /// The file or folder; `None` for an input in memory that has no name.
    #[must_use]
    pub fn name(&self) -> Option<&Path> {
        match self {
            Self::Image(image) => image.name(),
            Self::Video(video) => video.name(),
        }
    }

    /// Defects of the input that do not prevent reading it. Some are known only after it is read.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Image(_) => Vec::new(),
            Self::Video(video) => video.warnings(),
        }
    }

    /// Bytes that this source keeps in memory until it is dropped: the file of an image, or pixels.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        match self {
            Self::Image(image) => image.stored_bytes(),
            Self::Video(video) => video.stored_bytes(),
        }
    }
}

fn check_format(magic: &[u8]) -> Result<(), PreprocessError> {
    if ImageCodec::detect(magic).is_some() {
        return Ok(());
    }
    if let Some(format) = foreign::name(magic) {
        return Err(PreprocessError::ForeignFormat { format });
    }
    let supported = format!(
        "images ({}) and videos ({})",
        ImageCodec::names(),
        container::NAMES
    );
    Err(PreprocessError::unknown_format(supported, magic))
}
