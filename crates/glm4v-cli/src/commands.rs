//! One file a command.

mod devices;
mod encode;
mod init;
mod inspect;
mod preprocess;

use anyhow::Result;

use crate::args::Command;
use crate::console::Console;

/// Runs a command to its end.
pub(crate) fn run(command: Command, console: &Console) -> Result<()> {
    match command {
        Command::Encode(args) => encode::run(args, console),
        Command::Preprocess(args) => preprocess::run(args, console),
        Command::Inspect(args) => inspect::run(&args, console),
        Command::Init(args) => init::run(&args, console),
        Command::Devices => devices::run(console),
    }
}
