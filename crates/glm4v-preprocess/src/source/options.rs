use std::path::PathBuf;

use crate::DecodeOptions;

/// How inputs are opened and read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadOptions {
    /// How image files are decoded. The limits of pixels hold for each frame of a video too.
    pub decode: DecodeOptions,
    /// Frames a second. A folder of frames needs it. For other videos, it replaces the frame rate, the duration and the
    /// times that the file gives.
    pub source_fps: Option<f64>,
    /// Whether an animated image is read as an image: its first frame.
    pub first_frame_only: bool,
    /// The program that decodes video files. A bare name is searched on PATH.
    pub ffmpeg: PathBuf,
    /// The program that probes video files.
    pub ffprobe: PathBuf,
    /// The directory for videos that can be read only once. They are saved because ffmpeg must seek in them. `None` is the
    /// directory of the system for temporary files (`TMPDIR`). The file is removed with its source. The memory plan does not
    /// count it, so the directory should be on a disk.
    pub spool_dir: Option<PathBuf>,
    /// Most bytes of a video that is saved there. A longer one is refused.
    pub max_spooled_bytes: u64,
    /// Most seconds of processor time of one run of ffmpeg or ffprobe, on Linux. `None` is ten minutes, and one more for
    /// each megabyte of the file.
    pub max_program_seconds: Option<u64>,
    /// Most bytes of memory of one run of ffmpeg or ffprobe, on Linux.
    pub max_program_bytes: u64,
}

impl Default for ReadOptions {
    /// Animated images are videos, and no frame rate is set. `ffmpeg` and `ffprobe` are searched on PATH. A video from a pipe can
    /// have 8 GiB, and ffmpeg can use 8 GiB of memory.
    fn default() -> Self {
        Self {
            decode: DecodeOptions::default(),
            source_fps: None,
            first_frame_only: false,
            ffmpeg: "ffmpeg".into(),
            ffprobe: "ffprobe".into(),
            spool_dir: None,
            max_spooled_bytes: 8 << 30,
            max_program_seconds: None,
            max_program_bytes: 8 << 30,
        }
    }
}
