//! Videos on disk, against the frames and metadata that the reference reads from them.

mod animations;
mod common;
mod folders;
mod limits;
mod packets;
mod pipes;
mod video_files;
