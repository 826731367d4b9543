use std::io;

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  glm4v completions bash > ~/.local/share/bash-completion/completions/glm4v
  glm4v completions zsh > ~/.zfunc/_glm4v
  glm4v completions fish > ~/.config/fish/completions/glm4v.fish";

/// Prints the script, also with `--quiet` and `--json`: it is no summary.
pub(crate) fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "glm4v", &mut script);
    match io::Write::write_all(&mut io::stdout(), &script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
