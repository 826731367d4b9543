use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use glm4v::{DeviceSpec, Preset};

use crate::values::{Dtype, OutputFile, embeddings_file, patches_file, preset};

/// Turn pictures into the embeddings that GLM-4.1V, GLM-4.5V and GLM-4.6V feed to their language models.
#[derive(Debug, Parser)]
#[command(name = "glm4v", version, arg_required_else_help = true, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What to print.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

const FIRST_STEPS: &str = "\
First steps:
  glm4v encode cat.jpg                             try it out with random weights
  glm4v encode cat.jpg -m GLM-4.1V-9B-Thinking -o cat.safetensors
  glm4v inspect GLM-4.1V-9B-Thinking               look at a checkpoint
  glm4v encode --help                              options and examples of one command

A checkpoint is a directory with config.json, preprocessor_config.json and the safetensors files,
as published:  hf download zai-org/GLM-4.1V-9B-Thinking --local-dir GLM-4.1V-9B-Thinking

Exit status: 0 done, 1 an input or the machine is at fault, 2 the command line is.";

/// What to print; understood by every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Printing")]
pub(crate) struct OutputArgs {
    /// Print warnings and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say on stderr what is being done; list everything
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Print the summary on stdout as one line of JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Encode pictures into embeddings
    #[command(after_help = ENCODE)]
    Encode(EncodeArgs),
    /// Turn pictures into the patch rows that the encoder reads
    #[command(after_help = PREPROCESS)]
    Preprocess(PreprocessArgs),
    /// Show a checkpoint's vision side, and whether it can be loaded
    #[command(after_help = INSPECT)]
    Inspect(InspectArgs),
    /// Write a checkpoint with random weights
    #[command(after_help = INIT)]
    Init(InitArgs),
    /// List the devices that can be used
    #[command(after_help = DEVICES)]
    Devices,
}

/// Of `encode`.
#[derive(Args, Debug)]
pub(crate) struct EncodeArgs {
    /// The pictures
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    /// Checkpoint directory, as published on Hugging Face
    #[arg(short, long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Random weights of this size in place of a checkpoint [default: tiny]
    #[arg(long, value_parser = preset(), conflicts_with = "model")]
    pub(crate) preset: Option<Preset>,
    /// Seed of the random weights [default: 0]
    #[arg(long, conflicts_with = "model")]
    pub(crate) seed: Option<u64>,
    /// auto, flex, ndarray, wgpu, vulkan, webgpu, metal or cuda; of several GPUs, one as in cuda:1
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceSpec,
    /// Type of the weights and of the computation
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub(crate) dtype: Dtype,
    /// Where to write the embeddings: a name in .safetensors, .npy or .json
    #[arg(short, long, value_name = "FILE", value_parser = path().try_map(embeddings_file))]
    pub(crate) output: Option<OutputFile>,
}

const ENCODE: &str = "\
Pictures are PNG, JPEG, WebP, GIF (first frame), BMP or TIFF (first page), of any sizes. All of them go into one file,
one after another; grid_thw says where each ends: it takes t·h·w / spatial_merge_size² rows.

The file, by its ending:
  .safetensors  embeddings f32 [tokens, out_hidden_size], grid_thw i64 [pictures, 3]
  .npy          embeddings f32 [tokens, out_hidden_size]
  .json         {\"shape\": [tokens, width], \"grid_thw\": [[t, h, w], …], \"embeddings\": [[…], …]}
It appears whole or not at all. Without -o nothing is written.

Examples:
  glm4v encode cat.jpg
  glm4v encode cat.jpg dog.png -m GLM-4.1V-9B-Thinking -o pets.safetensors
  glm4v encode scans/*.tiff -m GLM-4.1V-9B-Thinking --device cuda:1 --dtype bf16 -o scans.npy
  glm4v encode cat.jpg --preset glm-4.1v-9b --seed 7 --json";

/// Of `preprocess`.
#[derive(Args, Debug)]
pub(crate) struct PreprocessArgs {
    /// The pictures
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    /// Directory with the preprocessor_config.json to follow
    #[arg(short, long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Settings of this preset in place of a checkpoint's [default: tiny]
    #[arg(long, value_parser = preset(), conflicts_with = "model")]
    pub(crate) preset: Option<Preset>,
    /// Where to write the patch rows: a name in .safetensors
    #[arg(short, long, value_name = "FILE", value_parser = path().try_map(patches_file))]
    pub(crate) output: OutputFile,
}

const PREPROCESS: &str = "\
The file holds pixel_values f32 [patches, channels·temporal_patch_size·patch_size²] and grid_thw i64 [pictures, 3],
as transformers' Glm4vImageProcessor returns them. The presets all have the settings of the published GLM-4.1V-9B.

Examples:
  glm4v preprocess cat.jpg -o cat.safetensors
  glm4v preprocess *.png -m GLM-4.1V-9B-Thinking -o patches.safetensors";

/// Pictures, and how they are read.
#[derive(Args, Debug)]
pub(crate) struct PictureArgs {
    /// Picture files
    #[arg(value_name = "INPUT", required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// Leave pictures as stored, whatever turn their metadata asks for
    #[arg(long, display_order = 50)]
    pub(crate) no_exif: bool,
}

/// Of `inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// Checkpoint directory
    #[arg(value_name = "DIR")]
    pub(crate) model: PathBuf,
}

const INSPECT: &str = "\
Only headers are read, so this is quick for any size. Exit status 1 means that `encode -m DIR` would refuse it.

Examples:
  glm4v inspect GLM-4.1V-9B-Thinking
  glm4v inspect GLM-4.1V-9B-Thinking --json | jq .weights.parameters";

/// Of `init`.
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Size of the model
    #[arg(long, value_parser = preset())]
    pub(crate) preset: Preset,
    /// Seed of the random weights
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Type in which the weights are stored
    #[arg(long, value_enum, default_value_t = Dtype::Bf16)]
    pub(crate) dtype: Dtype,
    /// Directory to make; it must not exist
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

const INIT: &str = "\
For tests and timings: the layout is the published one (config.json, both preprocessor files, shards and their index),
the weights are those of `encode --preset P --seed N`, rounded to the type. The language model is left out.

Examples:
  glm4v init --preset tiny -o tiny
  glm4v init --preset glm-4.1v-9b --seed 7 --dtype f32 -o random-9b";

const DEVICES: &str = "\
The first column is what `encode --device` takes. Backends are built in by cargo features:
  cargo install glm4v-cli --features cuda

Examples:
  glm4v devices
  glm4v devices --json | jq -r .auto";

fn path() -> PathBufValueParser {
    PathBufValueParser::new()
}
