//! Videos on disk, against the frames and metadata that the reference reads from them.

mod animations;
mod common;
mod damaged_videos;
mod folders;
mod limits;
mod packets;
mod pipes;
#[cfg(unix)]
mod programs;
mod video_files;
