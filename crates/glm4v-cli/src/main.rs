//! The program `glm4v`: images and videos to GLM-V vision embeddings on the command line.

mod args;
mod atomic;
mod commands;
mod console;
mod devices;
#[cfg(feature = "hub")]
mod download;
mod failure;
mod listing;
mod model;
mod output;
mod reading;
mod session;
mod stages;
mod table;
mod values;
mod weights;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use crate::commands::Cli;
use crate::console::Console;

fn main() -> ExitCode {
    let Cli { command, output } = Cli::parse();
    failure::catch_messages(output.verbose);
    let console = Console(output);
    let failure = match catch_unwind(AssertUnwindSafe(|| commands::run(command, &console))) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => failure::line(&error),
        Err(_) => failure::panic_line(),
    };
    console.error(&failure);
    ExitCode::FAILURE
}
