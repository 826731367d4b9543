//! One line for every failure.

use std::ffi::OsString;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::{fmt, io, panic};

use crate::escape::{escape, escape_lines};

/// The last panic of any thread. It is printed only if it stops the program.
static PANIC: Mutex<Option<String>> = Mutex::new(None);
const NO_MESSAGE: &str = "a panic without a message";
/// The exit status of a failure.
pub(crate) const FAILURE: u8 = 1;
/// The exit status of a wrong command line, as clap has it.
const MISUSE: u8 = 2;

/// The command line is wrong in a way that its parser cannot tell: options that do not belong together, for example.
#[derive(Debug)]
struct Misuse(String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// The error of a command line that is wrong. It has the exit status of [`usage`].
pub(crate) fn misuse(text: impl Into<String>) -> anyhow::Error {
    Misuse(text.into()).into()
}

/// The exit status of a command that failed.
pub(crate) fn exit_status(error: &anyhow::Error) -> u8 {
    match error.is::<Misuse>() {
        true => MISUSE,
        false => FAILURE,
    }
}

/// An error and its causes on one line. A cause whose text is already in the line is left out.
pub(crate) fn line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        // The messages of our libraries include their sources.
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

/// Reports that the arguments `args` are wrong, or prints the help. Returns the exit status. Arguments with control
/// characters are printed without colors.
pub(crate) fn usage(error: &clap::Error, args: &[OsString]) -> u8 {
    let is_safe = |argument: &str| escape(argument) == argument;
    // If the output is closed, there is no place to report it.
    if args
        .iter()
        .all(|argument| is_safe(&argument.to_string_lossy()))
    {
        let _ = error.print();
    } else {
        let _ = write!(
            io::stderr(),
            "{}",
            escape_lines(&error.render().to_string())
        );
    }
    error.exit_code() as u8
}

/// Keeps panic messages off the terminal: a backend may catch its own panics, and for others one line is enough.
pub(crate) fn catch_messages(verbose: bool) {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let payload = info.payload_as_str().unwrap_or(NO_MESSAGE);
        let place = info.location().map(|place| format!(" ({place})"));
        let message = payload.to_owned() + &place.unwrap_or_default();
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(one_line(&message));
        if verbose {
            default(info);
        }
    }));
}

/// The line for the panic that stopped the program.
pub(crate) fn panic_line() -> String {
    let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    format!(
        "internal error: {}; please report it at {}/issues, with the output of -v",
        panic.as_deref().unwrap_or(NO_MESSAGE),
        env!("CARGO_PKG_REPOSITORY")
    )
}

/// The cause of a device's failure: the line after the last `Caused by:` of burn's report.
pub(crate) fn root_cause(report: &str) -> &str {
    let last = report.rsplit("Caused by:").next().unwrap_or(report);
    last.trim().lines().next().unwrap_or(report)
}

/// The lines of a library's report, joined.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn causes_are_printed_once() {
        let error = anyhow!("disk full").context("b: disk full").context("a");
        assert_eq!(line(&error), "a: b: disk full");
        assert_eq!(one_line("disk\n  full\n"), "disk full");
    }

    #[test]
    fn a_wrong_command_line_has_its_own_exit_status() {
        let error = misuse("leave it out");
        assert_eq!(
            (line(&error), exit_status(&error)),
            ("leave it out".into(), 2)
        );
        assert_eq!(exit_status(&anyhow!("disk full")), 1);
    }

    #[test]
    fn a_panic_is_one_line_that_asks_for_a_report() {
        let hook = panic::take_hook();
        catch_messages(false);
        let caught = panic::catch_unwind(|| panic!("out of\nluck"));
        panic::set_hook(hook);
        assert!(caught.is_err());
        let line = panic_line();
        assert!(line.starts_with("internal error: out of luck ("), "{line}");
        assert!(line.contains("please report it"), "{line}");
    }

    #[test]
    fn the_root_cause_is_the_last_one() {
        assert_eq!(root_cause("a\nCaused by:\n  b\nCaused by: c d\n  e"), "c d");
        assert_eq!(root_cause("a"), "a");
    }
}
