use clap::{Args, Parser, Subcommand};

#[cfg(feature = "hub")]
mod cache;
mod encode;
#[cfg(feature = "hub")]
mod fetch;
mod init;
mod inputs;
mod inspect;
mod model;
mod plan;
mod preprocess;
mod viz;

#[cfg(feature = "hub")]
pub(crate) use cache::{CacheArgs, CacheCommand};
pub(crate) use encode::{EncodeArgs, MoreArgs};
#[cfg(feature = "hub")]
pub(crate) use fetch::FetchArgs;
pub(crate) use init::InitArgs;
pub(crate) use inputs::{InputArgs, ReadingArgs};
pub(crate) use inspect::InspectArgs;
pub(crate) use model::{ComputeArgs, DeviceArgs, ModelArgs, RevisionArgs};
pub(crate) use plan::PlanArgs;
pub(crate) use preprocess::PreprocessArgs;
pub(crate) use viz::VizArgs;

/// Turn pictures and clips into the embeddings that the GLM-V models feed to their language models.
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
  glm4v encode cat.jpg -m zai-org/GLM-4.1V-9B-Thinking -o cat.safetensors
  glm4v viz cat.jpg -m zai-org/GLM-4.1V-9B-Thinking -o cat.png
  glm4v encode --help                              options and examples of one command

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
    /// Encode pictures and clips into embeddings
    Encode(EncodeArgs),
    /// Turn pictures and clips into the patch rows that the encoder reads
    Preprocess(PreprocessArgs),
    /// Say what encoding takes: tokens, operations and memory
    Plan(PlanArgs),
    /// Draw what the encoder tells apart in a picture or clip
    Viz(VizArgs),
    /// Fetch a model's vision tower from the Hugging Face hub
    #[cfg(feature = "hub")]
    Fetch(FetchArgs),
    /// List or remove what has been fetched
    #[cfg(feature = "hub")]
    Cache(CacheArgs),
    /// Show a checkpoint's vision side, and whether it can be loaded
    Inspect(InspectArgs),
    /// Write a checkpoint with random weights
    Init(InitArgs),
    /// List the devices that can be used
    #[command(after_help = DEVICES)]
    Devices,
}

const DEVICES: &str = "\
The first column is what `encode --device` takes; cuda:all or vulkan:all are all GPUs of a backend. Backends are built in by cargo features:
  cargo install glm4v-cli --features cuda

Examples:
  glm4v devices
  glm4v devices --json | jq -r .auto";
