//! The program `glm4v`: images and videos to GLM-V vision embeddings on the command line.
//!
//! The library is the whole program as the function [`run`], so that the Python package can contain it.

mod allocator;
mod args;
mod atomic;
mod commands;
mod console;
mod devices;
#[cfg(feature = "hub")]
mod download;
mod environment;
mod escape;
mod failure;
mod interrupt;
mod listed;
mod listing;
mod model;
mod output;
mod pipes;
mod reading;
mod session;
mod stages;
mod table;
mod temporary;
mod values;
mod weights;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context, Result};
use clap::Parser;

use crate::commands::{Cli, Command};
use crate::console::Console;

/// Runs the program with the arguments `args`, of which the first is its name. Returns the exit status.
///
/// It must have the process for itself. It is called once, and no other thread may use the environment meanwhile. It handles
/// SIGINT and SIGTERM from then on, and after a signal it may end the process.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    allocator::prepare();
    environment::prepare();
    let args: Vec<OsString> = args.into_iter().collect();
    let Cli { command, output } = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error, &args),
    };
    failure::catch_messages(output.verbose);
    let console = Console(output);
    let (failure, status) = match catch_unwind(AssertUnwindSafe(|| execute(command, &console))) {
        Ok(Ok(status)) => return status,
        Ok(Err(error)) => (failure::line(&error), failure::exit_status(&error)),
        Err(_) => (failure::panic_line(), failure::FAILURE),
    };
    // After a signal, a failure is its consequence.
    if let Some(signal) = interrupt::signal() {
        console::error(&signal.to_string());
        return signal.exit_status();
    }
    console::error(&failure);
    status
}

fn execute(command: Command, console: &Console) -> Result<u8> {
    interrupt::watch().context("signals cannot be handled")?;
    commands::run(command, console)
}
