use std::path::{Path, PathBuf};

use image::RgbImage;

use super::ReadOptions;
use super::animation::{Animation, AnimationReader, Contents};
use super::ffmpeg::{VideoFile, VideoReader};
use super::folder::Folder;
use super::spool::Spool;
use crate::frames::{FrameSource, SampledReader};
use crate::{PreprocessError, VideoMetadata};

/// A video that is opened: its metadata is known, and its frames can be read. Only an animated image, or frames that
/// were passed in memory, are kept in memory.
///
/// The metadata of a **video file** is what transformers 5.23 finds by default (torchcodec 0.17, exact):
///
/// - The best video stream is read. ffmpeg's RGB equals torchcodec's. (PyAV converts 10-bit and interlaced frames
///   differently.)
/// - The number of frames is the number of packets, less those that an edit list discards. Frame i is the frame that is
///   shown at the time of packet i. In most files it is the i-th frame. A file that has packets without a frame of
///   their own is decoded twice.
/// - The duration reaches from the start of the first frame to the end of the last one. Frames a second are the
///   quotient, whatever the header claims.
/// - Frames are in display order. They are rotated to the nearest quarter of the display matrix, and never mirrored.
/// - Some files have frames here that torchcodec refuses: files that are cut off, MPEG transport streams, AVI with
///   B-frames.
/// - A frame that cannot be decoded is replaced by the last frame before it, with a warning that counts such frames.
///   torchcodec fails there.
/// - Frames that change their size are scaled to the size of the first frame.
///
/// An **animated image** is composited over white, as viewers show it, and its frames have their own times. (torchcodec
/// ignores partial transparency in a PNG, and cannot read animated WebP.) Delays that viewers do not believe are
/// replaced: in a GIF, less than 20 ms becomes 100 ms, and in a PNG, 0 becomes 1/15 s, both as in ffmpeg; in a WebP, up
/// to 10 ms becomes 100 ms, as in browsers. Frames a second are the number of frames over the duration.
///
/// A **folder** contains the frames as image files, in natural order (`frame2` before `frame10`). Content decides,
/// whatever the names. Hidden files are ignored, and other files are skipped with a warning.
#[derive(Debug)]
pub struct VideoSource {
    name: Option<PathBuf>,
    metadata: VideoMetadata,
    size: (usize, usize),
    warnings: Vec<String>,
    frames: Frames,
    /// The file of a video from a pipe. It exists as long as this source.
    _spool: Option<Spool>,
}

#[derive(Debug)]
enum Frames {
    Folder(Folder),
    Animation(Animation),
    File(Box<VideoFile>),
    Memory(Vec<RgbImage>),
}

impl VideoSource {
    pub(super) fn folder(path: &Path, options: &ReadOptions) -> Result<Self, PreprocessError> {
        let (folder, warnings) = Folder::open(path, &options.decode)?;
        let metadata = VideoMetadata {
            fps: None,
            ..VideoMetadata::new(folder.len(), 1.0)
        };
        let source = Self {
            name: Some(path.to_owned()),
            metadata,
            size: folder.size(),
            warnings,
            frames: Frames::Folder(folder),
            _spool: None,
        };
        source.with_fps(options.source_fps)
    }

    pub(super) fn animation(
        name: Option<&Path>,
        bytes: Vec<u8>,
        contents: Contents,
        options: &ReadOptions,
    ) -> Result<Self, PreprocessError> {
        let source = Self {
            name: name.map(Path::to_owned),
            metadata: contents.metadata(),
            size: height_width(contents.size),
            frames: Frames::Animation(Animation::new(bytes, &contents, &options.decode.limits)?),
            warnings: contents.warning.into_iter().collect(),
            _spool: None,
        };
        source.with_fps(options.source_fps)
    }

    pub(super) fn video_file(
        path: &Path,
        demuxer: &'static str,
        options: &ReadOptions,
    ) -> Result<Self, PreprocessError> {
        let (file, metadata, warning) = VideoFile::open(path, demuxer, options)?;
        let source = Self {
            name: Some(path.to_owned()),
            metadata,
            size: height_width(file.size()),
            warnings: warning.into_iter().collect(),
            frames: Frames::File(Box::new(file)),
            _spool: None,
        };
        source.with_fps(options.source_fps)
    }

    /// The same video under the name of the input, which may be a pipe. `spool` is its file in that case.
    pub(super) fn of_input(self, name: Option<&Path>, spool: Option<Spool>) -> Self {
        Self {
            name: name.map(Path::to_owned),
            _spool: spool,
            ..self
        }
    }

    pub(super) fn from_frames(
        frames: Vec<RgbImage>,
        metadata: VideoMetadata,
    ) -> Result<Self, PreprocessError> {
        let size = frames.first().map_or((0, 0), RgbImage::dimensions);
        let source = Self {
            name: None,
            metadata: match frames.as_slice() {
                [] => VideoMetadata::new(0, 1.0),
                [..] => metadata,
            },
            size: height_width(size),
            warnings: Vec::new(),
            frames: Frames::Memory(frames),
            _spool: None,
        };
        source.with_fps(None)
    }

    fn with_fps(mut self, fps: Option<f64>) -> Result<Self, PreprocessError> {
        if let Some(fps) = fps {
            self.metadata = VideoMetadata::new(self.metadata.num_frames, fps);
        }
        self.metadata.check()?;
        Ok(self)
    }

    /// The file or folder; `None` for frames in memory.
    #[must_use]
    pub fn name(&self) -> Option<&Path> {
        self.name.as_deref()
    }

    /// What sampling the frames needs to know.
    #[must_use]
    pub fn metadata(&self) -> &VideoMetadata {
        &self.metadata
    }

    /// (height, width) of the frames, after rotation.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Defects of the video that do not prevent reading it. Frames of a video file that cannot be decoded are known
    /// after the frames are read.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let read = match &self.frames {
            Frames::File(file) => file.warning(),
            Frames::Folder(_) | Frames::Animation(_) | Frames::Memory(_) => None,
        };
        self.warnings.iter().cloned().chain(read).collect()
    }

    /// The frames at `indices`, counted from 0 in the whole video. The indices must be in order and may repeat. Each
    /// frame is decoded once, when the iterator reaches it. Frames that are not requested are not converted or kept.
    ///
    /// # Errors
    /// Each error names the file. At once:
    ///
    /// - [`PreprocessError::MissingFrame`] for an index beyond the video,
    /// - [`PreprocessError::Size`] for indices out of order,
    /// - those of starting ffmpeg.
    ///
    /// From the iterator:
    ///
    /// - those of [`crate::open_image`] for an image in a folder,
    /// - [`PreprocessError::FrameSize`] for a frame of another size,
    /// - [`PreprocessError::Decode`] for a damaged animation,
    /// - [`PreprocessError::EndedEarly`] for a video file of which no frame can be decoded.
    pub fn frames<'a>(
        &'a self,
        indices: &'a [usize],
    ) -> Result<impl Iterator<Item = Result<RgbImage, PreprocessError>> + use<'a>, PreprocessError>
    {
        let name_error = |error: PreprocessError| error.named(self.name());
        self.check(indices).map_err(name_error)?;
        let reader = self.reader(indices).map_err(name_error)?;
        let frames = SampledReader::new(reader, indices);
        Ok(frames.map(move |frame| frame.map_err(name_error)))
    }

    fn check(&self, indices: &[usize]) -> Result<(), PreprocessError> {
        if let Some(pair) = indices.windows(2).find(|pair| pair[0] > pair[1]) {
            let found = format!("{} after {}", pair[1], pair[0]);
            return Err(PreprocessError::size("indices of frames in order", found));
        }
        match indices.last() {
            Some(&index) if index >= self.metadata.num_frames => {
                Err(PreprocessError::MissingFrame {
                    index,
                    found: self.metadata.num_frames,
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn reader<'a>(&'a self, indices: &[usize]) -> Result<Reader<'a>, PreprocessError> {
        Ok(match &self.frames {
            Frames::Folder(folder) => Reader::Folder(folder),
            Frames::Animation(animation) => Reader::Animation(animation.reader()?),
            Frames::File(file) => Reader::File(Box::new(file.reader(indices)?)),
            Frames::Memory(frames) => Reader::Memory(frames),
        })
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        match &self.frames {
            Frames::Animation(animation) => animation.stored_bytes(),
            Frames::Memory(frames) => frames.iter().map(|frame| frame.len() as u64).sum(),
            Frames::File(file) => file.stored_bytes(),
            Frames::Folder(_) => 0,
        }
    }

    /// Upper bound of the memory while one frame is decoded, with what the source keeps in memory.
    pub(crate) fn decode_bytes(&self) -> u64 {
        let (height, width) = self.size;
        let decoding = match &self.frames {
            // The canvas, the decoder's result and the copy that becomes a frame, all in RGBA.
            Frames::Animation(_) => 3 * 4 * height as u64 * width as u64,
            Frames::Folder(folder) => folder.decode_bytes(),
            Frames::File(_) | Frames::Memory(_) => 0,
        };
        self.stored_bytes() + decoding
    }
}

fn height_width((width, height): (u32, u32)) -> (usize, usize) {
    (height as usize, width as usize)
}

enum Reader<'a> {
    Folder(&'a Folder),
    Animation(AnimationReader<'a>),
    File(Box<VideoReader<'a>>),
    Memory(&'a [RgbImage]),
}

impl FrameSource for Reader<'_> {
    type Error = PreprocessError;

    fn frame(&mut self, index: usize) -> Result<RgbImage, PreprocessError> {
        match self {
            Self::Folder(folder) => folder.frame(index),
            Self::Animation(reader) => reader.frame(index),
            Self::File(reader) => reader.frame(index),
            Self::Memory(frames) => {
                let found = frames.len();
                let frame = frames.get(index).cloned();
                frame.ok_or(PreprocessError::MissingFrame { index, found })
            }
        }
    }
}
