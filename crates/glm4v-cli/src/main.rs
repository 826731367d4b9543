//! The program `glm4v`: images and videos to GLM-V vision embeddings on the command line.

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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::commands::{Cli, Command};
use crate::console::Console;

fn main() -> ExitCode {
    environment::prepare();
    let Cli { command, output } = Cli::try_parse().unwrap_or_else(|error| failure::usage(&error));
    failure::catch_messages(output.verbose);
    let console = Console(output);
    let failure = match catch_unwind(AssertUnwindSafe(|| run(command, &console))) {
        Ok(Ok(status)) => return status,
        Ok(Err(error)) => failure::line(&error),
        Err(_) => failure::panic_line(),
    };
    // After a signal, a failure is its consequence.
    if let Some(signal) = interrupt::signal() {
        console::error(&signal.to_string());
        return ExitCode::from(signal.exit_status());
    }
    console::error(&failure);
    ExitCode::FAILURE
}

fn run(command: Command, console: &Console) -> Result<ExitCode> {
    interrupt::watch()?;
    commands::run(command, console)
}
