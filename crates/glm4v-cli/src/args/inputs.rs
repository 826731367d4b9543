use std::path::PathBuf;

use clap::Args;

use crate::values::positive;

const READING: &str = "Reading";

/// Pictures and clips, and how they are read.
#[derive(Args, Clone, Debug)]
pub(crate) struct InputArgs {
    /// Pictures, video files, and folders that hold a clip's frames, in any order
    #[arg(value_name = "INPUT", required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// How pictures and clips are read.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReadingArgs {
    /// Frames a second at which clips are sampled, in place of the checkpoint's
    #[arg(long, help_heading = READING, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) fps: Option<f64>,
    /// Longest clip that is sampled at --fps; of a longer one, as many frames are spread over all of it
    #[arg(long, help_heading = READING, value_name = "SECONDS", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) max_duration: Option<f64>,
    /// Frames a second of the clip in a folder
    #[arg(long, help_heading = READING, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) source_fps: Option<f64>,
    /// Take the first picture of an animated GIF, WebP or PNG, not the clip
    #[arg(long, help_heading = READING)]
    pub(crate) still: bool,
    /// Leave pictures as stored, whatever turn their metadata asks for
    #[arg(long, help_heading = READING)]
    pub(crate) no_exif: bool,
}
