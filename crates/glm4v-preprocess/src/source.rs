//! Clips on disk: a folder of frames, an animated picture, a video file.

pub(crate) mod animation;
pub(crate) mod container;
mod ffmpeg;
mod folder;
mod natural;

use std::path::{Path, PathBuf};

use image::RgbImage;

use crate::pick::{Picked, ReadFrame};
use crate::{ClipInfo, MediaOptions, PreprocessError, held};
use animation::{Animation, AnimationReader, Contents};
use ffmpeg::{VideoFile, VideoReader};
use folder::Folder;

/// A clip that can be read: what is known of it, and its frames. Nothing of it is in memory but the file of an animated
/// picture.
///
/// What is known of a **video file** is what transformers 5.23 knows of it by default (torchcodec 0.17, exact): the
/// best video stream, of which ffmpeg's RGB equals torchcodec's (and PyAV's, which converts 10-bit and interlaced
/// frames in a way of its own); as many frames as it has packets, less those that an edit list discards; the duration
/// from the first frame's start to the last one's end, and their quotient as frames a second, whatever the header
/// claims. Frames are counted as they are shown, and turned to the nearest quarter as the display matrix says, which
/// never mirrors. Where torchcodec gives up there may be frames here: of a file that is cut off, of an MPEG transport
/// stream, of AVI with B-frames. A file that ffprobe complains of, that starts inside a group of pictures or that has
/// fewer packets than its header claims is decoded once when it is opened, to count the frames that are really there,
/// and a warning tells. Frames that change their size are scaled to that of the first.
///
/// An **animated picture** is composited as viewers show it, over white, and its frames have their own times.
/// (torchcodec ignores what is half transparent in a PNG, and does not know animated WebP.) Delays that viewers do not
/// believe are replaced as ffmpeg does: in a GIF, less than 20 ms is 100 ms; in a PNG, none is 1/15 s; and in a WebP, as
/// browsers do, up to 10 ms is 100 ms. Frames a second are the frames over the duration.
///
/// A **folder** is its pictures in natural order (`frame2` before `frame10`), by content whatever their names; hidden
/// files are ignored, and others are left out with a warning.
#[derive(Debug)]
pub struct ClipSource {
    path: PathBuf,
    info: ClipInfo,
    size: (usize, usize),
    warnings: Vec<String>,
    frames: Frames,
}

#[derive(Debug)]
enum Frames {
    Folder(Folder),
    Animation(Animation),
    Video(VideoFile),
}

impl ClipSource {
    pub(crate) fn folder(path: &Path, options: &MediaOptions) -> Result<Self, PreprocessError> {
        let (folder, warnings) = Folder::open(path, &options.open)?;
        let info = ClipInfo {
            fps: None,
            ..ClipInfo::new(folder.len(), 1.0)
        };
        let size = folder.size();
        Self::new(path, options, info, size, warnings, Frames::Folder(folder))
    }

    pub(crate) fn animation(
        path: &Path,
        bytes: Vec<u8>,
        contents: Contents,
        options: &MediaOptions,
    ) -> Result<Self, PreprocessError> {
        let (info, size) = (contents.info(), contents.size);
        let animation = Animation::new(bytes, size, &options.open)?;
        let warnings = contents.warning.into_iter().collect();
        let frames = Frames::Animation(animation);
        Self::new(path, options, info, size, warnings, frames)
    }

    pub(crate) fn video(
        path: &Path,
        demuxer: &'static str,
        options: &MediaOptions,
    ) -> Result<Self, PreprocessError> {
        let (file, info, warnings) = VideoFile::open(path, demuxer, options)?;
        let size = file.size();
        Self::new(path, options, info, size, warnings, Frames::Video(file))
    }

    fn new(
        path: &Path,
        options: &MediaOptions,
        own: ClipInfo,
        (width, height): (u32, u32),
        warnings: Vec<String>,
        frames: Frames,
    ) -> Result<Self, PreprocessError> {
        let info = match options.source_fps {
            Some(fps) => ClipInfo::new(own.num_frames, fps),
            None => own,
        };
        info.check()?;
        Ok(Self {
            path: path.to_owned(),
            info,
            size: (height as usize, width as usize),
            warnings,
            frames,
        })
    }

    /// The file or folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the clip: what sampling its frames needs.
    #[must_use]
    pub fn info(&self) -> &ClipInfo {
        &self.info
    }

    /// (height, width) of the frames, as they are turned.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Most bytes that are held while one frame is decoded, beside those that are decoded already.
    #[must_use]
    pub fn decoding(&self) -> u64 {
        match &self.frames {
            Frames::Animation(animation) => held::drawing(animation.len(), self.size),
            Frames::Folder(folder) => folder.decoding(),
            Frames::Video(_) => 0,
        }
    }

    /// What was found amiss, without being in the way.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The frames at `indices`, counted from 0 in the whole clip, which must be in order and may repeat: as many frames
    /// as indices. They are read as they are asked for, each once, and no others are converted or kept. What is left
    /// unread when the iterator is dropped is not decoded.
    ///
    /// # Errors
    /// At once, [`PreprocessError::MissingFrame`] for an index beyond the clip, [`PreprocessError::Size`] for indices
    /// out of order, and those of starting ffmpeg. From the iterator, those of [`crate::open`] for a picture in a folder
    /// and [`PreprocessError::FrameSize`] where it differs in size from the first, [`PreprocessError::Decode`] for a
    /// damaged animation, and [`PreprocessError::EndedEarly`] for a video file that ends before the frame. Each names
    /// the file.
    pub fn frames<'a>(
        &'a self,
        indices: &'a [usize],
    ) -> Result<impl Iterator<Item = Result<RgbImage, PreprocessError>> + use<'a>, PreprocessError>
    {
        let in_file = |error: PreprocessError| error.in_file(&self.path);
        self.check(indices).map_err(in_file)?;
        let reader = self.reader(indices).map_err(in_file)?;
        let named = move |frame: Result<RgbImage, PreprocessError>| frame.map_err(in_file);
        Ok(Picked::new(reader, indices).map(named))
    }

    fn check(&self, indices: &[usize]) -> Result<(), PreprocessError> {
        if let Some(pair) = indices.windows(2).find(|pair| pair[0] > pair[1]) {
            let found = format!("{} after {}", pair[1], pair[0]);
            return Err(PreprocessError::size("indices of frames in order", found));
        }
        match indices.last() {
            Some(&index) if index >= self.info.num_frames => Err(PreprocessError::MissingFrame {
                index,
                found: self.info.num_frames,
            }),
            _ => Ok(()),
        }
    }

    fn reader<'a>(&'a self, indices: &[usize]) -> Result<Reader<'a>, PreprocessError> {
        Ok(match &self.frames {
            Frames::Folder(folder) => Reader::Folder(folder),
            Frames::Animation(animation) => Reader::Animation(animation.reader()?),
            Frames::Video(video) => Reader::Video(video.reader(indices)?),
        })
    }
}

enum Reader<'a> {
    Folder(&'a Folder),
    Animation(AnimationReader<'a>),
    Video(VideoReader),
}

impl ReadFrame for Reader<'_> {
    type Error = PreprocessError;

    fn frame(&mut self, index: usize) -> Result<RgbImage, PreprocessError> {
        match self {
            Self::Folder(folder) => folder.frame(index),
            Self::Animation(reader) => reader.frame(index),
            Self::Video(reader) => reader.frame(index),
        }
    }
}
