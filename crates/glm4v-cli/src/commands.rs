//! One file a command.

#[cfg(feature = "hub")]
mod cache;
mod devices;
mod encode;
#[cfg(feature = "hub")]
mod fetch;
mod init;
mod inspect;
mod plan;
mod preprocess;
mod viz;

use anyhow::Result;

use crate::args::Command;
use crate::console::Console;

/// Runs a command to its end.
pub(crate) fn run(command: Command, console: &Console) -> Result<()> {
    match command {
        Command::Encode(args) => encode::run(args, console),
        Command::Preprocess(args) => preprocess::run(args, console),
        Command::Plan(args) => plan::run(&args, console),
        Command::Viz(args) => viz::run(args, console),
        #[cfg(feature = "hub")]
        Command::Fetch(args) => fetch::run(&args, console),
        #[cfg(feature = "hub")]
        Command::Cache(args) => cache::run(args, console),
        Command::Inspect(args) => inspect::run(&args, console),
        Command::Init(args) => init::run(&args, console),
        Command::Devices => devices::run(console),
    }
}
