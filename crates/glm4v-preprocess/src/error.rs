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
    /// The bytes are of no picture format that is read.
    #[error("expected a PNG, JPEG, WebP, GIF, BMP or TIFF picture, found {found}")]
    UnknownFormat {
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

    pub(crate) fn in_file(self, path: &Path) -> Self {
        Self::File {
            path: path.to_owned(),
            source: Box::new(self),
        }
    }
}
