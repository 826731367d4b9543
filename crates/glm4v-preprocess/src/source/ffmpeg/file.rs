use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::packets::Packets;
use super::probe::{Rotation, Stream};
use super::program::{Input, Running};
use crate::{PreprocessError, ReadOptions, VideoMetadata};

/// One stream of a video file.
#[derive(Debug)]
pub(crate) struct VideoFile {
    input: Input,
    pub(super) ffmpeg: PathBuf,
    stream: usize,
    /// (width, height) before rotation.
    pub(super) coded: (u32, u32),
    pub(super) rotation: Rotation,
}

impl VideoFile {
    /// The file, its metadata, and warnings.
    pub(crate) fn open(
        path: &Path,
        demuxer: &'static str,
        options: &ReadOptions,
    ) -> Result<(Self, VideoMetadata, Vec<String>), PreprocessError> {
        let input = Input::new(path, demuxer);
        let stream = Stream::find(&options.ffprobe, &input)?;
        let size @ (width, height) = stream.size();
        let bytes = 3 * u64::from(width) * u64::from(height);
        options.decode.limits.check_size(size, bytes)?;
        let packets = Packets::scan(&options.ffprobe, &input, &stream)?;
        let file = Self {
            input,
            ffmpeg: options.ffmpeg.clone(),
            stream: stream.index,
            coded: size,
            rotation: stream.rotation(),
        };
        let mut metadata = packets.metadata(&stream);
        let mut warnings = Vec::new();
        if let Some(doubt) = packets.doubt(&stream) {
            metadata.num_frames = file.count_frames()?;
            warnings.push(format!(
                "{doubt}; {} frames can be read",
                metadata.num_frames
            ));
        }
        Ok((file, metadata, warnings))
    }

    /// (width, height) after rotation.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.rotation.rotated(self.coded)
    }

    /// Arguments that decode every displayed frame of the stream, once and in order.
    ///
    /// Rotation is done here, because ffmpeg also mirrors and rotates by odd angles. Filters are not restarted where the
    /// size changes, because they would count from 0 again.
    pub(super) fn decode_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = ["-nostdin", "-v", "error", "-noautorotate"]
            .map(Into::into)
            .into();
        args.extend(["-reinit_filter", "0"].map(Into::into));
        args.extend(self.input.args());
        let stream = format!("0:{}", self.stream);
        args.extend(["-map", &stream, "-fps_mode", "passthrough"].map(Into::into));
        args
    }

    /// Counts the frames. All frames are decoded, but not converted.
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
