//! Video files, read by the programs ffprobe and ffmpeg.

mod file;
mod frames;
mod packets;
mod probe;
mod program;
mod select;

pub(crate) use file::VideoFile;
pub(crate) use frames::VideoReader;
