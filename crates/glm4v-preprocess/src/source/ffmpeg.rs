//! Video files, read by the programs ffprobe and ffmpeg.

mod frames;
mod packets;
mod probe;
mod program;
mod select;

use std::path::{Path, PathBuf};

use crate::formats::check_size;
use crate::{ClipInfo, MediaOptions, PreprocessError};
pub(crate) use frames::VideoReader;
use packets::Packets;
use probe::{Rotation, Stream};
use program::{Input, Running};

/// One stream of a video file.
#[derive(Debug)]
pub(crate) struct VideoFile {
    input: Input,
    ffmpeg: PathBuf,
    stream: usize,
    /// (width, height) before it is turned.
    coded: (u32, u32),
    rotation: Rotation,
}

impl VideoFile {
    /// The file, what is known of it, and what to warn of.
    pub(crate) fn open(
        path: &Path,
        demuxer: &'static str,
        options: &MediaOptions,
    ) -> Result<(Self, ClipInfo, Vec<String>), PreprocessError> {
        let input = Input::new(path, demuxer);
        let stream = Stream::find(&options.ffprobe, &input)?;
        let (width, height) = stream.size();
        let bytes = 3 * u64::from(width) * u64::from(height);
        check_size(width, height, bytes, &options.open)?;
        let packets = Packets::scan(&options.ffprobe, &input, &stream)?;
        let file = Self {
            input,
            ffmpeg: options.ffmpeg.clone(),
            stream: stream.index,
            coded: (width, height),
            rotation: stream.rotation(),
        };
        let mut info = packets.info(&stream);
        let mut warnings = Vec::new();
        if let Some(doubt) = packets.doubt(&stream) {
            info.num_frames = file.count_frames()?;
            warnings.push(format!("{doubt}; {} frames can be read", info.num_frames));
        }
        Ok((file, info, warnings))
    }

    /// (width, height) as it is turned.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.rotation.turned(self.coded)
    }

    /// How many frames there are: decodes all, and converts none.
    fn count_frames(&self) -> Result<usize, PreprocessError> {
        let mut args = self.decode_args();
        args.extend(["-c:v", "wrapped_avframe", "-f", "null"].map(Into::into));
        args.extend(["-nostats", "-progress", "pipe:1", "-"].map(Into::into));
        let mut running = Running::start(&self.ffmpeg, &args)?;
        let mut count = 0;
        running.lines(|line| {
            if let Some(frames) = line.strip_prefix("frame=") {
                count = frames.trim().parse().unwrap_or(count);
            }
        })?;
        match (count, running.finish()) {
            (0, Err(error)) => Err(error),
            _ => Ok(count),
        }
    }
}
