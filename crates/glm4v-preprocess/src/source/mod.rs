//! Inputs: images and videos, opened and probed once.

mod animation;
mod audio;
mod container;
mod ffmpeg;
mod folder;
mod image;
mod kind;
mod media_kind;
mod natural;
mod options;
mod spool;
mod video;

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::Path;

use ::image::{DynamicImage, RgbImage};

use crate::codec::{ImageCodec, foreign};
use crate::file::{io_error, read_on};
use crate::{PreprocessError, VideoMetadata};
pub use image::ImageSource;
pub(crate) use image::Pixels;
pub use media_kind::MediaKind;
pub use options::ReadOptions;
use spool::Spool;
pub use video::VideoSource;

#[cfg(fuzzing)]
pub(crate) use ffmpeg::fuzzing;

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
    /// - a folder of images: the frames of a video,
    /// - a pipe with the content of one of these files.
    ///
    /// An image file is read into memory, and its header is checked. Pixels are not decoded. A pipe is read once: a video
    /// file from a pipe is saved as a temporary file first ([`ReadOptions::spool_dir`]).
    ///
    /// # Errors
    /// Each error names the file. [`PreprocessError::Io`] for a file that cannot be read, otherwise
    /// [`PreprocessError::File`] with one of these reasons:
    ///
    /// - those of [`crate::decode_image`] that the header shows, and [`PreprocessError::UnknownFormat`],
    /// - [`PreprocessError::FileKind`] for a device or a socket,
    /// - [`PreprocessError::NoFrames`] for a folder without images,
    /// - [`PreprocessError::NoProgram`] where ffmpeg or ffprobe is missing,
    /// - [`PreprocessError::Program`] for a video file that they cannot read,
    /// - [`PreprocessError::Spool`] and [`PreprocessError::LongPipe`] for a video from a pipe that cannot be saved,
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
        kind::check(&metadata)?;
        let mut file = File::open(path).map_err(|source| io_error(path, source))?;
        Self::read(Some(path), &mut file, Some(&metadata), options)
    }

    /// Opens an input that can be read only once, such as the standard input: the content of any file that
    /// [`Source::open`] reads. `name` stands for it in errors; it may be empty.
    ///
    /// An image is kept in memory. A video file is saved as a temporary file ([`ReadOptions::spool_dir`]).
    ///
    /// ```
    /// use std::io::Cursor;
    ///
    /// use glm4v_preprocess::{ReadOptions, Source};
    /// use image::{DynamicImage, ImageFormat};
    ///
    /// let mut png = Cursor::new(Vec::new());
    /// DynamicImage::new_rgb8(640, 480).write_to(&mut png, ImageFormat::Png)?;
    /// png.set_position(0);
    /// let source = Source::from_reader("a pipe", png, &ReadOptions::default())?;
    /// assert_eq!(source.size(), (480, 640));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Source::open`] for files.
    pub fn from_reader(
        name: &str,
        mut reader: impl Read,
        options: &ReadOptions,
    ) -> Result<Self, PreprocessError> {
        let name = named(name);
        Self::read(name, &mut reader, None, options).map_err(|error| error.named(name))
    }

    /// Reads an input once. `metadata` is that of the file called `name`, if there is one.
    fn read(
        name: Option<&Path>,
        reader: &mut impl Read,
        metadata: Option<&Metadata>,
        options: &ReadOptions,
    ) -> Result<Self, PreprocessError> {
        let path = name.unwrap_or(Path::new("the input"));
        // The capacities save system calls: a vector that grows is filled in many small reads.
        let mut bytes = Vec::with_capacity(MAGIC_BYTES);
        read_on(path, reader, &mut bytes, MAGIC_BYTES as u64)?;
        if let Some(demuxer) = container::demuxer(&bytes) {
            let file = metadata.and_then(|metadata| kind::shared_path(path, metadata));
            let video = match file {
                Some(file) => {
                    VideoSource::video_file(&file, demuxer, options)?.of_input(name, None)
                }
                None => {
                    let spool = Spool::save(&bytes, reader, options)?;
                    VideoSource::video_file(spool.path(), demuxer, options)?
                        .of_input(name, Some(spool))
                }
            };
            return Ok(Self::Video(video));
        }
        check_format(&bytes)?;
        // One byte more than allowed shows that the file is too long.
        let limit = options.decode.limits.max_file_bytes.saturating_add(1);
        if let Some(metadata) = metadata {
            // If that is too much, reading tells.
            bytes
                .try_reserve_exact(metadata.len().min(limit) as usize)
                .ok();
        }
        read_on(path, reader, &mut bytes, limit)?;
        bytes.shrink_to_fit();
        Self::image_file(name, bytes, options)
    }

    /// Opens a file that is already in memory: an image, or an animated image. `name` stands for the file in errors; it
    /// may be empty.
    ///
    /// # Errors
    /// Those of [`Source::open`], and [`PreprocessError::VideoBytes`] for a video file: ffmpeg must be able to seek in
    /// it. [`Source::from_reader`] saves it first.
    pub fn from_bytes(
        name: &str,
        bytes: Vec<u8>,
        options: &ReadOptions,
    ) -> Result<Self, PreprocessError> {
        let name = named(name);
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

/// A name that may be empty.
fn named(name: &str) -> Option<&Path> {
    Some(Path::new(name)).filter(|name| !name.as_os_str().is_empty())
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
