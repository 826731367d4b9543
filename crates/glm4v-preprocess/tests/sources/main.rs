//! Clips on disk, against what the reference reads from them.

mod animations;
mod common;
mod folders;
mod video_files;
