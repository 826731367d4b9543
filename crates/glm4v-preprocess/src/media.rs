use std::fs;
use std::path::{Path, PathBuf};

use image::DynamicImage;

use crate::open::{first_bytes, unknown};
use crate::source::{ClipSource, animation, container};
use crate::{OpenOptions, PreprocessError, StillSource, decode};

const PICTURE_OR_VIDEO: &str = "a picture (PNG, JPEG, WebP, GIF, BMP, TIFF) or a video (MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS, FLV, Ogg, WMV)";
/// So many bytes tell what a file is: three packets of an MPEG transport stream.
const MAGIC_BYTES: u64 = 1024;

/// A picture or a clip, of a file or a folder.
#[derive(Debug)]
pub enum Media {
    /// One picture.
    Still(DynamicImage),
    /// A clip whose frames are yet to be read.
    Clip(ClipSource),
}

/// What [`Media::open`] needs to know beside the path.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaOptions {
    /// What picture files may need. `max_pixels` holds for each frame of a clip too, `max_bytes` for no video file.
    pub open: OpenOptions,
    /// Frames a second: those of a folder of frames, which cannot know them, and in place of what any other clip says
    /// of itself. Such a clip is treated as its frames in memory at that rate are: its own duration and times are
    /// forgotten.
    pub source_fps: Option<f64>,
    /// Whether an animated picture is its first frame, as [`crate::open`] takes it.
    pub stills: bool,
    /// The program that decodes video files; a bare name is looked up on PATH.
    pub ffmpeg: PathBuf,
    /// The program that says what is in them.
    pub ffprobe: PathBuf,
}

impl Default for MediaOptions {
    /// Animated pictures are clips; no frame rate; `ffmpeg` and `ffprobe` on PATH.
    fn default() -> Self {
        Self {
            open: OpenOptions::default(),
            source_fps: None,
            stills: false,
            ffmpeg: "ffmpeg".into(),
            ffprobe: "ffprobe".into(),
        }
    }
}

/// What is known of a picture or clip before a pixel of it is decoded.
#[derive(Debug)]
pub enum MediaInfo {
    /// One picture, its file in memory.
    Still(StillSource),
    /// A clip whose frames are yet to be read.
    Clip(ClipSource),
}

impl Media {
    /// What [`Media::open`] would open; of a picture no more is decoded than its header.
    ///
    /// # Errors
    /// As [`Media::open`], but of a picture's pixels nothing is known: it may still turn out to be damaged.
    pub fn probe(
        path: impl AsRef<Path>,
        options: &MediaOptions,
    ) -> Result<MediaInfo, PreprocessError> {
        let path = path.as_ref();
        let probe = || match find(path, options)? {
            Found::Clip(source) => Ok(MediaInfo::Clip(source)),
            Found::Picture(bytes) => {
                StillSource::new(path, bytes, &options.open).map(MediaInfo::Still)
            }
        };
        probe().map_err(|error: PreprocessError| error.in_file(path))
    }

    /// Opens what is at `path`, by its content whatever its name: a folder of frames; an animated GIF, WebP or PNG;
    /// another picture, as [`crate::open`] reads it; or a video file, for which ffmpeg 5.1 or later must be installed.
    /// Of a clip, all is read that [`ClipSource::info`] tells, and no frame is decoded but one of a folder.
    ///
    /// # Errors
    /// Each names the file. [`PreprocessError::Io`] for what cannot be read; otherwise [`PreprocessError::File`] with
    /// the reason: those of [`crate::decode`], [`PreprocessError::UnknownFormat`] for a file that is neither a picture
    /// nor a video, [`PreprocessError::NoFrames`] for a folder without pictures, [`PreprocessError::NoProgram`] where
    /// ffmpeg or ffprobe is missing, [`PreprocessError::Program`] for a video file that they do not understand,
    /// [`PreprocessError::NoVideo`] for one without a video stream, [`PreprocessError::TooLarge`] for frames beyond
    /// `options.open.max_pixels`, and [`PreprocessError::ClipInfo`] for a clip without frames.
    pub fn open(path: impl AsRef<Path>, options: &MediaOptions) -> Result<Self, PreprocessError> {
        let path = path.as_ref();
        let open = || match find(path, options)? {
            Found::Clip(source) => Ok(Media::Clip(source)),
            Found::Picture(bytes) => decode(&bytes, &options.open).map(Media::Still),
        };
        open().map_err(|error: PreprocessError| error.in_file(path))
    }
}

enum Found {
    /// The file's bytes
    Picture(Vec<u8>),
    Clip(ClipSource),
}

fn find(path: &Path, options: &MediaOptions) -> Result<Found, PreprocessError> {
    let metadata = fs::metadata(path).map_err(|source| PreprocessError::Io {
        path: path.to_owned(),
        source,
    })?;
    if metadata.is_dir() {
        return ClipSource::folder(path, options).map(Found::Clip);
    }
    let magic = first_bytes(path, MAGIC_BYTES)?;
    if let Some(demuxer) = container::demuxer(&magic) {
        return ClipSource::video(path, demuxer, options).map(Found::Clip);
    }
    if crate::formats::of(&magic).is_none() {
        return Err(unknown(PICTURE_OR_VIDEO, &magic));
    }
    let bytes = first_bytes(path, options.open.max_bytes.saturating_add(1))?;
    let fits = bytes.len() as u64 <= options.open.max_bytes;
    if let (true, false, Some(contents)) = (fits, options.stills, animation::contents(&bytes)) {
        return ClipSource::animation(path, bytes, contents, options).map(Found::Clip);
    }
    Ok(Found::Picture(bytes))
}
