use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde_json::Value;

use crate::args::OutputArgs;

/// How often a bar is drawn anew.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Where the program speaks: results on stdout, all else on stderr.
pub(crate) struct Console {
    quiet: bool,
    verbose: bool,
    json: bool,
}

/// What a command found or did.
pub(crate) struct Report {
    /// For people.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Value,
}

impl Console {
    /// A console that speaks as `args` say.
    pub(crate) fn new(args: &OutputArgs) -> Self {
        Self {
            quiet: args.quiet,
            verbose: args.verbose,
            json: args.json,
        }
    }

    /// Whether to leave nothing out.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// What stopped the program.
    pub(crate) fn error(&self, text: &str) {
        say("error", text);
    }

    /// What makes the result doubtful.
    pub(crate) fn warning(&self, text: &str) {
        say("warning", text);
    }

    /// What a newcomer may not expect.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            say("note", text);
        }
    }

    /// What is being done, for those who asked.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            say("info", text);
        }
    }

    /// A bar for `length` steps, or a spinner for work that has none; gone when dropped.
    pub(crate) fn progress(&self, message: &'static str, length: Option<usize>) -> ProgressBar {
        let template = match length {
            Some(_) => "{msg} [{bar:30}] {pos}/{len} {elapsed}",
            None => "{msg} {spinner} {elapsed}",
        };
        let bar = self.bar(message, length.map(|length| length as u64), template);
        bar.enable_steady_tick(TICK);
        bar
    }

    /// A bar for bytes, which shows itself once it ticks.
    #[cfg(feature = "hub")]
    pub(crate) fn byte_progress(&self, message: &'static str) -> ProgressBar {
        let template = "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left";
        self.bar(message, Some(0), template)
    }

    fn bar(&self, message: &'static str, length: Option<u64>, template: &str) -> ProgressBar {
        // What -v says would be written across it.
        let hidden = self.quiet || self.verbose || !io::stderr().is_terminal();
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let style = ProgressStyle::with_template(template).expect("a template of ours");
        ProgressBar::with_draw_target(length, target)
            .with_style(style)
            .with_message(message)
            .with_finish(ProgressFinish::AndClear)
    }

    /// Prints the command's result; a reader that has gone away is no failure.
    pub(crate) fn report(&self, report: &Report) -> anyhow::Result<()> {
        let text = match (self.json, self.quiet) {
            (true, _) => report.json.to_string(),
            (false, true) => return Ok(()),
            (false, false) => report.text.trim_end().to_owned(),
        };
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(error).context("cannot write to standard output")
            }
            _ => Ok(()),
        }
    }
}

fn say(kind: &str, text: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "glm4v: {kind}: {text}");
}
