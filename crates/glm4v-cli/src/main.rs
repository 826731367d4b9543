//! The program `glm4v`: pictures and clips to GLM-V vision embeddings from the command line.

mod args;
mod atomic;
mod commands;
mod console;
mod devices;
#[cfg(feature = "hub")]
mod download;
mod failure;
mod forecast;
mod inputs;
mod layout;
mod model;
mod output;
mod reader;
mod room;
mod stages;
mod values;
mod weights;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::console::Console;

fn main() -> ExitCode {
    let Cli { command, output } = Cli::parse();
    let console = Console::new(&output);
    failure::catch_messages(output.verbose);
    let failure = match catch_unwind(AssertUnwindSafe(|| commands::run(command, &console))) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => failure::line(&error),
        Err(_) => failure::panic_line(),
    };
    console.error(&failure);
    ExitCode::FAILURE
}
