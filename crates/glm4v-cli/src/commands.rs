//! The commands, one file each: its options and its work.

#[cfg(feature = "hub")]
mod cache;
mod completions;
mod devices;
mod encode;
mod export;
#[cfg(feature = "hub")]
mod fetch;
mod init;
mod inspect;
mod plan;
mod preprocess;
mod viz;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::args::OutputArgs;
use crate::console::Console;

/// Turn images and videos into the embeddings that GLM-V language models read.
#[derive(Debug, Parser)]
#[command(name = "glm4v", version, arg_required_else_help = true, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

const FIRST_STEPS: &str = "\
First steps:
  glm4v encode cat.jpg                             a try with random weights
  glm4v encode cat.jpg -m zai-org/GLM-4.1V-9B-Thinking -o cat.safetensors
  glm4v viz cat.jpg -m zai-org/GLM-4.1V-9B-Thinking -o cat.png
  glm4v encode --help                              options and examples of one command

Exit status: 0 success, 1 a failure, 2 a wrong command line, 3 success except for inputs that were skipped,
130 stopped by Ctrl-C, 143 stopped by SIGTERM.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Encode images and videos into embeddings
    Encode(Box<encode::EncodeArgs>),
    /// Convert images and videos into the patch rows that the encoder reads
    Preprocess(preprocess::PreprocessArgs),
    /// Print the tokens, operations and memory that encoding needs
    Plan(plan::PlanArgs),
    /// Draw what the encoder sees in an image or video as colors
    Viz(viz::VizArgs),
    /// Download a model's vision tower from the Hugging Face hub
    #[cfg(feature = "hub")]
    Fetch(fetch::FetchArgs),
    /// List or remove downloaded vision towers
    #[cfg(feature = "hub")]
    Cache(cache::CacheArgs),
    /// Show the vision tower of a checkpoint, and whether it can be loaded
    Inspect(inspect::InspectArgs),
    /// Write a vision tower as one file: .gguf for llama.cpp, or .safetensors
    Export(export::ExportArgs),
    /// Write a checkpoint with random weights
    Init(init::InitArgs),
    /// List the devices that encode can use
    #[command(after_help = DEVICES)]
    Devices,
    /// Print a script that completes commands and options in a shell
    Completions(completions::CompletionsArgs),
}

/// Runs a command. Returns the exit status of the program, if the command does not fail.
pub(crate) fn run(command: Command, console: &Console) -> Result<u8> {
    match command {
        Command::Encode(args) => return encode::run(&args, console),
        Command::Preprocess(args) => preprocess::run(args, console),
        Command::Plan(args) => plan::run(&args, console),
        Command::Viz(args) => viz::run(args, console),
        #[cfg(feature = "hub")]
        Command::Fetch(args) => fetch::run(&args, console),
        #[cfg(feature = "hub")]
        Command::Cache(args) => cache::run(args, console),
        Command::Inspect(args) => inspect::run(&args, console),
        Command::Export(args) => export::run(&args, console),
        Command::Init(args) => init::run(&args, console),
        Command::Devices => devices::run(console),
        Command::Completions(args) => completions::run(&args),
    }?;
    Ok(0)
}

const DEVICES: &str = "\
The first column is a value for `encode --device`. cuda:all and vulkan:all stand for all GPUs of a backend.
Cargo features add backends to the program. In a clone of glm4v:
  cargo install --path crates/glm4v-cli --features cuda-cpp

Examples:
  glm4v devices
  glm4v devices --json | jq -r .auto";
