//! Options that several commands share.

use clap::Args;

mod inputs;
mod model;

pub(crate) use inputs::{CollectArgs, InputArgs, ReadArgs};
pub(crate) use model::{ComputeArgs, DeviceArgs, ModelArgs, ProcessorArgs, RevisionArgs};

#[derive(Args, Debug)]
#[command(next_help_heading = "Printing")]
pub(crate) struct OutputArgs {
    /// Print only warnings and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print each step on stderr, and lists in full
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Print the summary on stdout as one line of JSON. A job first prints a line for each input
    #[arg(long, global = true)]
    pub(crate) json: bool,
}
