//! Video files, read by the programs ffprobe and ffmpeg.

mod file;
mod frames;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod limits;
mod listing;
mod packets;
mod probe;
mod program;
mod select;
mod shown;
mod times;

pub(crate) use file::VideoFile;
pub(crate) use frames::VideoReader;
