use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use super::ComputeArgs;
use super::inputs::ReadingArgs;
use crate::values::{path, picture_file, share};

/// Of `viz`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VizArgs {
    /// A picture, video file, or folder that holds a clip's frames
    #[arg(value_name = "INPUT")]
    pub(crate) input: PathBuf,
    /// How it is read
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// The encoder
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    /// Where to write the picture: a name in .png
    #[arg(short, long, value_name = "FILE", value_parser = path().try_map(picture_file))]
    pub(crate) output: PathBuf,
    /// Draw the patches as this block, counted from 0, leaves them, in place of the embeddings
    #[arg(long)]
    pub(crate) block: Option<usize>,
    /// How much of the input the colours hide, from 0 to 1
    #[arg(long, default_value_t = 0.7, value_parser = share)]
    pub(crate) opacity: f32,
}

const EXAMPLES: &str = "\
The three directions in which the embeddings of the input differ most become red, green and blue: what the encoder
holds to be alike has the same colour. They are laid over the input as the encoder sees it, resized; a clip becomes a
sheet, a frame for each temporal patch, in the same colours throughout.

Examples:
  glm4v viz cat.jpg -m zai-org/GLM-4.1V-9B-Thinking -o cat.png
  glm4v viz walk.mp4 -m GLM-4.6V-Flash --block 23 --opacity 1 -o walk.png";
