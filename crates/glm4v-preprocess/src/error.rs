use std::error::Error;
use std::path::{Path, PathBuf};

/// A picture or clip that cannot be read, or that the configuration refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file was read, but it is refused.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it is refused.
        source: Box<PreprocessError>,
    },
    /// The bytes are of no format that is read.
    #[error("expected {expected}, found {found}")]
    UnknownFormat {
        /// The formats that would do.
        expected: &'static str,
        /// The first bytes.
        found: String,
    },
    /// The bytes start as a picture does, but are damaged, cut off or of a kind that is not read.
    #[error("expected a whole {format} picture, found: {source}")]
    Decode {
        /// The format, by the first bytes.
        format: &'static str,
        /// What the decoder said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The picture needs more than it may.
    #[error("expected at most {limit} {what}, found {found}")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// The most there may be.
        limit: u64,
        /// How many there are.
        found: String,
    },
    /// One side is over 200 times the other.
    #[error("expected sides within a ratio of 200, found {width}×{height} pixels")]
    AspectRatio {
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
    /// A size that cannot be divided into patches.
    #[error("expected {expected}, found {found}")]
    Size {
        /// What would do.
        expected: String,
        /// What there is.
        found: String,
    },
    /// The pixels are not of the type that is needed.
    #[error("expected {expected} pixels, found {found}")]
    PixelType {
        /// What would do.
        expected: &'static str,
        /// What there is.
        found: String,
    },
    /// What is said of a clip cannot be, or is not enough to sample its frames.
    #[error("expected a clip {expected}, found {found}")]
    ClipInfo {
        /// What would do.
        expected: &'static str,
        /// What there is.
        found: String,
    },
    /// A clip ends before a frame that was sampled.
    #[error(
        "expected frame {index} of the clip, counted from 0, found an end after {found} frames"
    )]
    MissingFrame {
        /// The frame.
        index: usize,
        /// How many frames there are.
        found: usize,
    },
    /// A clip's frames differ in size.
    #[error(
        "expected frames of {expected}, as the first, found {found} in frame {index}, counted from 0"
    )]
    FrameSize {
        /// The first frame that differs.
        index: usize,
        /// The size of the first frame.
        expected: String,
        /// The size of this one.
        found: String,
    },
    /// A folder of frames without any.
    #[error("expected a folder of pictures (the frames of a clip), found none in it")]
    NoFrames,
    /// A video file without a video stream; the cover of an album is none.
    #[error("expected a file with a video stream, found {found}")]
    NoVideo {
        /// The streams there are.
        found: String,
    },
    /// A program that reads video files is not there.
    #[error(
        "expected the program {} to read a video file, found none: install ffmpeg, which brings ffprobe \
         (apt install ffmpeg, brew install ffmpeg or winget install ffmpeg), and have both on PATH",
        program.display()
    )]
    NoProgram {
        /// The program.
        program: PathBuf,
    },
    /// A program that reads video files gave up.
    #[error("expected {} to read the video, found that it failed: {said}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Its last line on stderr.
        said: String,
    },
    /// Decoding a video file ended before a frame that was sampled.
    #[error(
        "expected frame {index} of the clip, counted from 0, found that ffmpeg ended before it: {said}"
    )]
    EndedEarly {
        /// The frame.
        index: usize,
        /// ffmpeg's last line on stderr.
        said: String,
    },
    /// Patch rows and grids that do not belong together.
    #[error("expected patch rows of shape {expected}, found {found}")]
    Rows {
        /// The shape that the grids ask for.
        expected: String,
        /// The shape of the rows.
        found: String,
    },
}

impl PreprocessError {
    pub(crate) fn size(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Size {
            expected: expected.into(),
            found: found.into(),
        }
    }

    pub(crate) fn decode(
        format: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Decode {
            format,
            source: source.into(),
        }
    }

    /// The same with the file's name, unless it names one already.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Io { .. } | Self::File { .. } => self,
            other => Self::File {
                path: path.to_owned(),
                source: Box::new(other),
            },
        }
    }
}
