use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::limits::RunLimits;
use super::packets::Packets;
use super::probe::{Rotation, Stream};
use super::program::Input;
use crate::{PreprocessError, ReadOptions, VideoMetadata};

/// One stream of a video file.
#[derive(Debug)]
pub(crate) struct VideoFile {
    pub(super) input: Input,
    pub(super) ffmpeg: PathBuf,
    stream: usize,
    /// (width, height) before rotation.
    pub(super) coded: (u32, u32),
    pub(super) rotation: Rotation,
    /// The times of the packets, in order; `None` where the order of decoding is all that is known.
    times: Option<Vec<i64>>,
    /// Whether the file has a time for each packet.
    pub(super) are_timed: bool,
    /// Times for which a seek finds a later key frame.
    early_seeks: Option<Range<i64>>,
    /// What was found while frames were read.
    warning: Mutex<Option<String>>,
}

impl VideoFile {
    /// The file, its metadata, and a warning.
    pub(crate) fn open(
        path: &Path,
        demuxer: &'static str,
        options: &ReadOptions,
    ) -> Result<(Self, VideoMetadata, Option<String>), PreprocessError> {
        let input = Input::new(path, demuxer, RunLimits::new(path, options));
        let stream = Stream::find(&options.ffprobe, &input)?;
        let size @ (width, height) = stream.size();
        let pixels = u64::from(width) * u64::from(height);
        let limits = &options.decode.limits;
        limits.check_size(size, pixels.saturating_mul(3))?;
        let packets = Packets::scan(&options.ffprobe, &input, &stream)?;
        let metadata = packets.metadata(&stream);
        let warning = packets.warning(&stream);
        let file = Self {
            input,
            ffmpeg: options.ffmpeg.clone(),
            stream: stream.index,
            coded: size,
            rotation: stream.rotation(),
            early_seeks: packets.early_seeks(),
            are_timed: packets.are_timed(),
            times: packets.into_times(),
            warning: Mutex::new(None),
        };
        Ok((file, metadata, warning))
    }

    /// (width, height) after rotation.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.rotation.rotated(self.coded)
    }

    /// The times of the packets, in order; `None` where the order of decoding is all that is known.
    pub(super) fn times(&self) -> Option<&[i64]> {
        self.times.as_deref()
    }

    /// The packet that torchcodec takes for packet `index` after a seek. It takes a later one in some files with an edit
    /// list.
    pub(super) fn sought(&self, index: usize) -> usize {
        match (&self.times, &self.early_seeks) {
            (Some(times), Some(early)) if early.contains(&times[index]) => {
                times.partition_point(|time| *time < early.end)
            }
            _ => index,
        }
    }

    /// Records that `replaced` of `requested` frames are not in the file.
    pub(super) fn set_replaced(&self, replaced: usize, requested: usize) {
        let warning = format!(
            "{replaced} of {requested} sampled frames have no image of their own in the file (they are hidden, missing or \
             damaged, or second fields): a frame beside each stands in for it"
        );
        *self.lock_warning() = (replaced > 0).then_some(warning);
    }

    /// The warning of the frames that were read last.
    pub(crate) fn warning(&self) -> Option<String> {
        self.lock_warning().clone()
    }

    fn lock_warning(&self) -> MutexGuard<'_, Option<String>> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        let times = self.times.as_ref();
        times.map_or(0, |times| size_of_val(times.as_slice()) as u64)
    }

    /// Arguments that decode every displayed frame of the stream, once and in order.
    ///
    /// A damaged file is decoded by one thread: with more threads, what follows a damaged packet depends on their number.
    /// Times stay those of the packets. Rotation is done here, because ffmpeg also mirrors and rotates by odd angles.
    /// Filters are not restarted where the size changes, because they would count from 0 again.
    pub(super) fn decode_args(&self, is_damaged: bool) -> Vec<OsString> {
        let mut args: Vec<OsString> = ["-nostdin", "-v", "error", "-noautorotate"]
            .map(Into::into)
            .into();
        args.extend(["-copyts", "-reinit_filter", "0"].map(Into::into));
        if is_damaged {
            args.extend(["-threads", "1"].map(Into::into));
        }
        args.extend(self.input.args());
        let stream = format!("0:{}", self.stream);
        args.extend(["-map", &stream, "-fps_mode", "passthrough"].map(Into::into));
        args
    }
}
