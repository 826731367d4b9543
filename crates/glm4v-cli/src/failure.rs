//! One line for whatever went wrong.

use std::panic;
use std::sync::{Mutex, PoisonError};

/// The last panic of any thread, kept until it is known to have stopped the program.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// An error and those of its causes that say more than it does, on one line.
pub(crate) fn line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = one_line(&cause.to_string());
        // Our libraries' messages end in those of their sources.
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

/// Keeps the messages of panics from the terminal: a backend may catch its own, and one line is enough for the rest.
pub(crate) fn catch_messages(verbose: bool) {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = match info.location() {
            Some(place) => format!("{} ({place})", payload(info)),
            None => payload(info).to_owned(),
        };
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(one_line(&message));
        if verbose {
            default(info);
        }
    }));
}

/// The panic that stopped the program.
pub(crate) fn panic_line() -> String {
    let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    format!(
        "internal error: {}; please report it, with the output of -v, at {}/issues",
        panic.as_deref().unwrap_or("a panic without a message"),
        env!("CARGO_PKG_REPOSITORY")
    )
}

/// What burn's long account of a device's failure comes to: the line after its last `Caused by:`.
pub(crate) fn root(account: &str) -> &str {
    let last = account.rsplit("Caused by:").next().unwrap_or(account);
    last.trim().lines().next().unwrap_or(account)
}

fn payload<'a>(info: &'a panic::PanicHookInfo<'_>) -> &'a str {
    info.payload_as_str().unwrap_or("a panic without a message")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn causes_are_said_once() {
        let error = anyhow!("disk\nfull").context("b: disk full").context("a");
        assert_eq!(line(&error), "a: b: disk full");
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
    fn the_root_is_the_last_cause() {
        assert_eq!(root("a\nCaused by:\n  b\nCaused by: c d\n  e"), "c d");
        assert_eq!(root("a"), "a");
    }
}
