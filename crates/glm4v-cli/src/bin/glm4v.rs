//! The program `glm4v`.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    glm4v_cli::run(env::args_os()).into()
}
