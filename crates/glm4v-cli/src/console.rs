//! Output: results on stdout, everything else on stderr.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde_json::Value;

use crate::args::OutputArgs;
use crate::escape::{escape, escape_lines};

/// How often a progress bar is redrawn.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Prints results, messages and progress bars, as far as the options allow.
pub(crate) struct Console(pub(crate) OutputArgs);

impl Console {
    /// Prints why a result may be wrong.
    pub(crate) fn warning(&self, text: &str) {
        print("warning", text);
    }

    /// Prints what a new user may not expect.
    pub(crate) fn note(&self, text: &str) {
        if !self.0.quiet {
            print("note", text);
        }
    }

    /// Prints a step of the work, with `-v` only.
    pub(crate) fn detail(&self, text: &str) {
        if self.0.verbose {
            print("info", text);
        }
    }

    /// A bar for `length` steps, or a spinner without a length. It disappears when dropped.
    pub(crate) fn progress(&self, message: &'static str, length: Option<usize>) -> ProgressBar {
        let template = match length {
            Some(_) => "{msg} [{bar:30}] {pos}/{len} {elapsed}",
            None => "{msg} {spinner} {elapsed}",
        };
        let bar = self.bar(message, length.map(|length| length as u64), template);
        bar.enable_steady_tick(TICK);
        bar
    }

    /// A bar for the inputs of a job, of which `done` are there already.
    pub(crate) fn job_progress(&self, length: usize, done: usize) -> ProgressBar {
        let template = "encoding [{bar:30}] {pos}/{len}, {per_sec}, {eta} left{msg}";
        let bar = self.bar("", Some(length as u64), template);
        bar.set_position(done as u64);
        bar.reset_eta();
        bar.enable_steady_tick(TICK);
        bar
    }

    /// A bar for bytes. It appears at its first tick.
    #[cfg(feature = "hub")]
    pub(crate) fn byte_progress(&self, message: &'static str) -> ProgressBar {
        let template = "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left";
        self.bar(message, Some(0), template)
    }

    fn bar(&self, message: &'static str, length: Option<u64>, template: &str) -> ProgressBar {
        // The lines of -v would break the bar.
        let hidden = self.0.quiet || self.0.verbose || !io::stderr().is_terminal();
        let target = match hidden {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        ProgressBar::with_draw_target(length, target)
            .with_style(style)
            .with_message(message)
            .with_finish(ProgressFinish::AndClear)
    }

    /// Prints one item of the result as a line of JSON, for programs only.
    pub(crate) fn item(&self, json: &Value) -> anyhow::Result<()> {
        match self.0.json {
            true => self.report("", json),
            false => Ok(()),
        }
    }

    /// Prints the result of the command: `text` for people, or `json` for programs. `text` is printed without control
    /// characters. A reader that closes the pipe early is not an error.
    pub(crate) fn report(&self, text: &str, json: &Value) -> anyhow::Result<()> {
        let text = match (self.0.json, self.0.quiet) {
            (true, _) => json.to_string(),
            (false, true) => return Ok(()),
            (false, false) => escape_lines(text.trim_end()),
        };
        let mut stdout = io::stdout().lock();
        let result = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        let is_closed = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
        match result.as_ref().is_err_and(is_closed) {
            true => Ok(()),
            false => result.context("cannot write to standard output"),
        }
    }
}

/// Ends the line of a progress bar, which is there only on a terminal.
pub(crate) fn end_line() {
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr());
    }
}

/// Prints why the program stops.
pub(crate) fn error(text: &str) {
    print("error", text);
}

/// Prints one line without control characters.
fn print(kind: &str, text: &str) {
    // If stderr is closed, there is no place to report it.
    let _ = writeln!(io::stderr(), "glm4v: {kind}: {}", escape(text));
}
