use clap::Args;
use clap::builder::TypedValueParser;

use super::{ComputeArgs, InputArgs};
use crate::values::{AttentionAt, OutputFile, embeddings_file, path};

/// Of `encode`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EncodeArgs {
    /// The pictures and clips
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    /// The encoder
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    /// Where to write the embeddings: a name in .safetensors, .npy or .json
    #[arg(short, long, value_name = "FILE", value_parser = path().try_map(embeddings_file))]
    pub(crate) output: Option<OutputFile>,
    /// More of the tower
    #[command(flatten)]
    pub(crate) more: MoreArgs,
}

/// What is wanted of the tower beside the embeddings.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "More of the tower, in .safetensors")]
pub(crate) struct MoreArgs {
    /// Also what the merger makes the embeddings of
    #[arg(long)]
    pub(crate) last_hidden_state: bool,
    /// Also the output of these blocks, counted from 0, as in 5,11,23
    #[arg(long, value_name = "BLOCKS", value_delimiter = ',')]
    pub(crate) hidden_states: Vec<usize>,
    /// Also the attention of one patch: block, input, frame, row and column, each counted from 0, as in 23:0:0:8:5
    #[arg(long, value_name = "B:I:T:Y:X")]
    pub(crate) attention: Vec<AttentionAt>,
}

const EXAMPLES: &str = "\
Pictures are PNG, JPEG, WebP, GIF, BMP or TIFF (first page), of any sizes. Clips are video files (mp4, mkv, webm, mov,
avi and others, read by the programs ffmpeg and ffprobe), animated GIF, WebP and PNG, and folders of pictures with
--source-fps. All of them go into one file, one after another; grid_thw says where each ends: it takes
t·h·w / spatial_merge_size² rows.

The file, by its ending:
  .safetensors  embeddings f32 [tokens, out_hidden_size], grid_thw i64 [inputs, 3]; where there are clips also
                clips i64 [clips, 2] (which input, how many frames were taken), frames_indices i64 (these frames),
                timestamps f64 (the seconds that the prompt names, one for each of the t temporal patches)
  .npy          embeddings f32 [tokens, out_hidden_size]
  .json         {\"shape\": [tokens, width], \"grid_thw\": [[t, h, w], …], \"clips\": […], \"embeddings\": [[…], …]}
It appears whole or not at all. Without -o nothing is written.

With --last-hidden-state a .safetensors file holds last_hidden_state [tokens, out_hidden_size], with --hidden-states
hidden_states.BLOCK [patches, hidden_size], the patches of each input frame by frame and row by row, and with
--attention attention.B:I:T:Y:X [num_heads, h, w].

Examples:
  glm4v encode cat.jpg
  glm4v encode cat.jpg walk.mp4 -m zai-org/GLM-4.1V-9B-Thinking -o pets.safetensors
  glm4v encode scans/*.tiff -m GLM-4.1V-9B-Thinking --device cuda:1 --dtype bf16 -o scans.npy
  glm4v encode frames/ --source-fps 25 --fps 1 --json";
