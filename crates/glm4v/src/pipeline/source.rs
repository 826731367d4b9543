use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glm4v_config::SizeBudget;
use glm4v_preprocess::{MediaKind, PreprocessError, ReadOptions, Source, VideoMetadata};
use image::{DynamicImage, RgbImage};

use crate::Error;

/// An image or a video that is to be encoded.
///
/// ```
/// # use glm4v::{LoadOptions, Preset, VisionEncoder, image::DynamicImage};
/// use glm4v::InputSource;
///
/// let photo = InputSource::from(DynamicImage::new_rgb8(56, 84));
/// let file = InputSource::from("walk.mp4");
/// # let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
/// let items: Vec<_> = encoder.encode_sources([photo, file]).collect();
/// assert!(items[0].is_ok() && items[1].is_err()); // there is no such file
/// # Ok::<(), glm4v::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum InputSource {
    /// A file, a folder with the frames of a video, or a pipe.
    Path(PathBuf),
    /// The standard input: an image file, or a video. It can be read only once.
    Stdin,
    /// The bytes of an image file.
    Bytes {
        /// The name in messages.
        name: String,
        /// The file.
        bytes: Vec<u8>,
    },
    /// A decoded image.
    Image(DynamicImage),
    /// The decoded frames of a video.
    Frames {
        /// All frames, in order.
        frames: Vec<RgbImage>,
        /// How they were recorded.
        metadata: VideoMetadata,
    },
    /// A source that is fetched when its turn to be opened comes.
    Fetched(Arc<dyn Fetch>),
    /// A source with its own limits of the size.
    Within {
        /// The source.
        source: Box<InputSource>,
        /// The limits, in place of those of the processor.
        budget: SizeBudget,
    },
}

/// An input that is fetched when its turn to be opened comes, so that inputs that wait take no memory: a part of an archive, or
/// a download.
///
/// ```
/// use std::error::Error;
/// use std::sync::Arc;
///
/// use glm4v::image::DynamicImage;
/// use glm4v::pipeline::Fetch;
/// use glm4v::{InputSource, LoadOptions, Preset, VisionEncoder};
///
/// #[derive(Debug)]
/// struct Square(u32);
///
/// impl Fetch for Square {
///     fn name(&self) -> String {
///         format!("square of {} pixels", self.0)
///     }
///
///     fn can_refetch(&self) -> bool {
///         true
///     }
///
///     fn fetch(&self) -> Result<InputSource, Box<dyn Error + Send + Sync>> {
///         Ok(DynamicImage::new_rgb8(self.0, self.0).into())
///     }
/// }
///
/// let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
/// let squares = [56, 112].map(|side| InputSource::Fetched(Arc::new(Square(side))));
/// let tokens = encoder.encode_sources(squares).map(|item| Ok(item?.input.tokens));
/// assert_eq!(tokens.collect::<Result<Vec<_>, glm4v::InputError>>()?, [9, 16]);
/// # Ok::<(), Box<dyn Error>>(())
/// ```
pub trait Fetch: fmt::Debug + Send + Sync {
    /// The name in messages.
    fn name(&self) -> String;

    /// Whether it can be fetched twice with the same result.
    fn can_refetch(&self) -> bool;

    /// Fetches the input. Bytes can be those of an image or of a video file.
    ///
    /// # Errors
    /// Why it cannot be fetched. The message names the input.
    fn fetch(&self) -> Result<InputSource, Box<dyn std::error::Error + Send + Sync>>;
}

impl InputSource {
    /// This source with other limits of the size than those of the processor.
    ///
    /// ```
    /// use glm4v::InputSource;
    /// use glm4v::config::SizeBudget;
    ///
    /// let thumbnail = InputSource::from("cat.jpg").within(SizeBudget::Tokens { min: None, max: Some(64) });
    /// ```
    #[must_use]
    pub fn within(self, budget: SizeBudget) -> Self {
        let source = Box::new(self);
        Self::Within { source, budget }
    }

    /// The name in messages. Sources in memory are numbered from 0.
    pub(crate) fn name(&self, index: usize) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Stdin => STDIN.to_owned(),
            Self::Bytes { name, .. } => name.clone(),
            Self::Image(_) => format!("image {index}"),
            Self::Frames { .. } => format!("video {index}"),
            Self::Fetched(source) => source.name(),
            Self::Within { source, .. } => source.name(index),
        }
    }

    /// Whether the source can be opened twice. Pipes and sources in memory cannot.
    pub(crate) fn can_reopen(&self) -> bool {
        match self {
            Self::Path(path) => path.is_file() || path.is_dir(),
            Self::Stdin | Self::Bytes { .. } | Self::Image(_) | Self::Frames { .. } => false,
            Self::Fetched(source) => source.can_refetch(),
            Self::Within { source, .. } => source.can_reopen(),
        }
    }

    /// Opens the source. Its budget is that of [`InputSource::within`].
    pub(crate) fn open(self, options: &ReadOptions) -> Result<(Source, Option<SizeBudget>), Error> {
        let source = match self {
            Self::Path(path) => Source::open(path, options)?,
            Self::Stdin => open_stdin(options)?,
            Self::Bytes { name, bytes } => Source::from_bytes(&name, bytes, options)?,
            Self::Image(image) => Source::from_image(image),
            Self::Frames { frames, metadata } => Source::from_frames(frames, metadata)?,
            Self::Fetched(source) => match source.fetch().map_err(Error::Fetch)? {
                Self::Bytes { name, bytes } => match MediaKind::detect(&bytes) {
                    Some(MediaKind::Image) => Source::from_bytes(&name, bytes, options)?,
                    // A video is saved as a file.
                    Some(MediaKind::Video | MediaKind::UnsupportedImage) | None => {
                        Source::from_reader(&name, &bytes[..], options)?
                    }
                },
                // What was fetched may have a budget of its own.
                fetched => return fetched.open(options),
            },
            Self::Within { source, budget } => return Ok((source.open(options)?.0, Some(budget))),
        };
        Ok((source, None))
    }
}

/// The name of the standard input in messages.
const STDIN: &str = "-";

fn open_stdin(options: &ReadOptions) -> Result<Source, PreprocessError> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let found = "a terminal";
        return Err(PreprocessError::FileKind { found }.in_file(Path::new(STDIN)));
    }
    Source::from_reader(STDIN, stdin.lock(), options)
}

impl From<PathBuf> for InputSource {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&str> for InputSource {
    fn from(path: &str) -> Self {
        Self::Path(path.into())
    }
}

impl From<DynamicImage> for InputSource {
    fn from(image: DynamicImage) -> Self {
        Self::Image(image)
    }
}

/// Why one input has no embeddings. The other inputs are not affected.
///
/// The message names the input.
#[derive(Clone, Debug)]
pub struct InputError {
    /// The place of the input among the sources, counted from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// What failed. If a batch fails as a whole, its inputs share the error.
    pub source: Arc<Error>,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.source.to_string();
        // Errors of files name the file already.
        if !message.starts_with(&self.name) {
            write!(f, "{}: ", self.name)?;
        }
        f.write_str(&message)
    }
}

impl InputError {
    pub(crate) fn new(index: usize, name: String, source: impl Into<Error>) -> Self {
        Self {
            index,
            name,
            source: Arc::new(source.into()),
        }
    }
}

impl std::error::Error for InputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}
