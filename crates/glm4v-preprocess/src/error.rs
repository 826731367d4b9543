use std::error::Error;
use std::path::{Path, PathBuf};

use glm4v_config::ConfigError;

use crate::machine::is_machine_fault;

/// Why an image or a video cannot become patch rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's message.
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
    /// The path is neither a file nor a folder nor a pipe.
    #[error(
        "{found} cannot be read as an image or a video: name a file, a folder of frames, or a pipe"
    )]
    FileKind {
        /// What it is.
        found: &'static str,
    },
    /// A video from a pipe could not be saved, and ffmpeg must be able to seek in it.
    #[error(
        "the video can be read only once, so it is saved in {} first, and that failed: {source}; save it as a file, or \
         set TMPDIR to a directory with enough space",
        dir.display()
    )]
    Spool {
        /// The directory.
        dir: PathBuf,
        /// The operating system's message.
        source: std::io::Error,
    },
    /// A video from a pipe is too long to be saved.
    #[error("the video can be read only once, and has more than {limit} bytes: save it as a file")]
    LongPipe {
        /// The limit.
        limit: u64,
    },
    /// The first bytes are not those of a supported format.
    #[error("unknown format: {found}; supported formats are {supported}")]
    UnknownFormat {
        /// Names of the supported formats.
        supported: String,
        /// The first bytes.
        found: String,
    },
    /// An image of a format that is recognised, but not read.
    #[error(
        "{format} images are not supported: convert the file to PNG or JPEG first, for example with: magick FILE FILE.png"
    )]
    ForeignFormat {
        /// The format's name.
        format: &'static str,
    },
    /// A video file was passed as bytes.
    #[error("a video file cannot be read from memory: save it, and open it by its path")]
    VideoBytes,
    /// The decoder failed.
    #[error("the {format} image is damaged, cut off or of an unsupported kind: {source}")]
    Decode {
        /// The format, by the first bytes.
        format: &'static str,
        /// The decoder's message.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A limit is exceeded.
    #[error("{found} exceeds the limit of {limit} {unit}")]
    TooLarge {
        /// What the limit counts.
        unit: &'static str,
        /// The limit.
        limit: u64,
        /// The value that exceeds it.
        found: String,
    },
    /// There is no memory for the patch rows.
    #[error("the patch rows cannot be allocated: read fewer or smaller inputs at once")]
    Allocation,
    /// One side is more than 200 times the other.
    #[error("an image of {width}×{height} pixels: one side is more than 200 times the other")]
    AspectRatio {
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
    /// The size cannot be divided into patches.
    #[error("expected {expected}, found {found}")]
    Size {
        /// The accepted values.
        expected: String,
        /// The value.
        found: String,
    },
    /// The pixels have an unsupported type.
    #[error("expected {expected} pixels, found {found}")]
    PixelType {
        /// The accepted types.
        expected: &'static str,
        /// The type.
        found: String,
    },
    /// The metadata of a video is invalid, or does not suffice to sample frames.
    #[error("metadata of the video: expected {expected}, found {found}")]
    VideoMetadata {
        /// The accepted values.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// A video ends before a sampled frame.
    #[error("frame {index} (counted from 0) is missing: the video ends after {found} frames")]
    MissingFrame {
        /// The frame.
        index: usize,
        /// The number of frames in the video.
        found: usize,
    },
    /// The frames of a video differ in size.
    #[error(
        "frame {index} (counted from 0) has {found} and the first frame {expected}: all frames must have one size"
    )]
    FrameSize {
        /// The first frame that differs.
        index: usize,
        /// The size of the first frame.
        expected: String,
        /// The size of this frame.
        found: String,
    },
    /// A folder without images.
    #[error("the folder contains no images: the frames of a video were expected in it")]
    NoFrames,
    /// A video file without a video stream. The cover image of an album is not a video stream.
    #[error("the file has no video stream, only: {found}")]
    NoVideo {
        /// The streams of the file.
        found: String,
    },
    /// A program that reads video files is not installed.
    #[error(
        "the program {} was not found: install ffmpeg (apt install ffmpeg, brew install ffmpeg or winget install \
         ffmpeg), and check that both ffmpeg and ffprobe are on PATH",
        program.display()
    )]
    NoProgram {
        /// The program.
        program: PathBuf,
    },
    /// A program that reads video files failed.
    #[error("{} cannot read the video: {message}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Its last line on stderr.
        message: String,
    },
    /// The system ended a program that reads video files.
    #[error(
        "{} was ended by the system: it reached its limit of {seconds} seconds of processor time, or memory ran out; \
         convert the video to a smaller one, or raise the limit (`ReadOptions::max_program_seconds` of the library)",
        program.display()
    )]
    ProgramKilled {
        /// The program.
        program: PathBuf,
        /// The limit.
        seconds: u64,
    },
    /// ffmpeg stopped before a sampled frame.
    #[error("ffmpeg stopped before frame {index} (counted from 0): {message}")]
    EndedEarly {
        /// The frame.
        index: usize,
        /// ffmpeg's last line on stderr.
        message: String,
    },
    /// Patch rows and grids do not fit together.
    #[error("expected patch rows of shape {expected}, found {found}")]
    Rows {
        /// The shape that the grids require.
        expected: String,
        /// The shape of the rows.
        found: String,
    },
    /// The configuration of a processor is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A processor of images only cannot read videos.
    #[error(
        "this processor has no configuration for videos: add one with `with_video`, or load the processor of a checkpoint"
    )]
    NoVideoProcessor,
    /// Two configurations that belong together have patches of different sizes.
    #[error("{first} has {field} {first_value}, but {second} has {second_value}")]
    Mismatch {
        /// The field, by its name in the processors' files.
        field: &'static str,
        /// One configuration, and its file.
        first: &'static str,
        /// Its value.
        first_value: usize,
        /// The other configuration, and its file.
        second: &'static str,
        /// Its value.
        second_value: usize,
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

    /// The error where ffmpeg stops before a frame, with its message if it has one.
    pub(crate) fn ended_early(index: usize, message: Option<String>) -> Self {
        let message = message.unwrap_or_else(|| "it gave no reason".into());
        Self::EndedEarly { index, message }
    }

    /// The refusal of a file that starts with `bytes`.
    pub(crate) fn unknown_format(supported: String, bytes: &[u8]) -> Self {
        let first = &bytes[..bytes.len().min(8)];
        Self::UnknownFormat {
            supported,
            found: match first {
                [] => "the file is empty".into(),
                _ => format!("the file starts with \"{}\"", first.escape_ascii()),
            },
        }
    }

    /// Adds the name of an input that has one.
    pub(crate) fn named(self, name: Option<&Path>) -> Self {
        match name {
            Some(name) => self.in_file(name),
            None => self,
        }
    }

    /// Whether the machine failed, and not the input: ffmpeg is not installed, the disk for temporary files is full, or the
    /// process may not open more files. Other inputs would fail in the same way.
    #[must_use]
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::NoProgram { .. } | Self::Spool { .. } => true,
            Self::File { source, .. } => source.is_of_machine(),
            Self::Io { source, .. } => is_machine_fault(source),
            Self::FileKind { .. }
            | Self::LongPipe { .. }
            | Self::UnknownFormat { .. }
            | Self::ForeignFormat { .. }
            | Self::VideoBytes
            | Self::Decode { .. }
            | Self::TooLarge { .. }
            | Self::Allocation
            | Self::AspectRatio { .. }
            | Self::Size { .. }
            | Self::PixelType { .. }
            | Self::VideoMetadata { .. }
            | Self::MissingFrame { .. }
            | Self::FrameSize { .. }
            | Self::NoFrames
            | Self::NoVideo { .. }
            | Self::Program { .. }
            | Self::ProgramKilled { .. }
            | Self::EndedEarly { .. }
            | Self::Rows { .. }
            | Self::Config(_)
            | Self::NoVideoProcessor
            | Self::Mismatch { .. } => false,
        }
    }

    /// Adds the name of the input, unless the error names a file already.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        if self.names_a_file() {
            return self;
        }
        Self::File {
            path: path.to_owned(),
            source: Box::new(self),
        }
    }

    const fn names_a_file(&self) -> bool {
        match self {
            Self::Io { .. }
            | Self::File { .. }
            | Self::Config(_)
            | Self::NoVideoProcessor
            | Self::Mismatch { .. } => true,
            Self::FileKind { .. }
            | Self::Spool { .. }
            | Self::LongPipe { .. }
            | Self::UnknownFormat { .. }
            | Self::ForeignFormat { .. }
            | Self::VideoBytes
            | Self::Decode { .. }
            | Self::TooLarge { .. }
            | Self::Allocation
            | Self::AspectRatio { .. }
            | Self::Size { .. }
            | Self::PixelType { .. }
            | Self::VideoMetadata { .. }
            | Self::MissingFrame { .. }
            | Self::FrameSize { .. }
            | Self::NoFrames
            | Self::NoVideo { .. }
            | Self::NoProgram { .. }
            | Self::Program { .. }
            | Self::ProgramKilled { .. }
            | Self::EndedEarly { .. }
            | Self::Rows { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_missing_program_and_a_full_disk_are_faults_of_the_machine() {
        let in_file = |error: PreprocessError| error.in_file("a.mp4".as_ref());
        let io = |kind: io::ErrorKind| PreprocessError::Io {
            path: "a.mp4".into(),
            source: kind.into(),
        };
        let no_program = PreprocessError::NoProgram {
            program: "ffmpeg".into(),
        };
        let no_space = PreprocessError::Spool {
            dir: "/tmp".into(),
            source: io::ErrorKind::StorageFull.into(),
        };
        assert!(in_file(no_program).is_of_machine());
        assert!(in_file(no_space).is_of_machine());
        assert!(io(io::ErrorKind::StorageFull).is_of_machine());
        assert!(!io(io::ErrorKind::PermissionDenied).is_of_machine());
        assert!(!in_file(PreprocessError::NoFrames).is_of_machine());
    }
}
