//! SIGINT (Ctrl-C) and SIGTERM: the work stops, and no temporary file stays behind.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use glm4v::CancelToken;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::{console, temporary};

/// A signal that stops the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    number: i32,
    name: &'static str,
}

const SIGNALS: [Signal; 2] = [
    Signal {
        number: SIGINT,
        name: "SIGINT",
    },
    Signal {
        number: SIGTERM,
        name: "SIGTERM",
    },
];
/// How often a thread looks for a signal.
const TICK: Duration = Duration::from_millis(20);
/// How long the work may take to stop: it looks for a signal between two blocks, batches and requests.
const GRACE: Duration = Duration::from_secs(1);

/// The number of the last signal; 0 before the first.
static RECEIVED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
static TOKEN: LazyLock<CancelToken> = LazyLock::new(CancelToken::new);

impl Signal {
    /// The exit status of a program that a signal stopped, as shells report it.
    pub(crate) fn exit_status(self) -> u8 {
        128 + self.number as u8
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stopped by {}", self.name)
    }
}

/// The signal that arrived, if there is one.
pub(crate) fn signal() -> Option<Signal> {
    let received = RECEIVED.load(Ordering::SeqCst);
    let mut signals = SIGNALS.into_iter();
    signals.find(|signal| signal.number as usize == received)
}

/// Fails after a signal.
pub(crate) fn check() -> Result<()> {
    match signal() {
        Some(signal) => bail!("{signal}"),
        None => Ok(()),
    }
}

/// Stops an encoder after a signal.
pub(crate) fn token() -> CancelToken {
    TOKEN.clone()
}

/// Starts to look for signals. After the first one the work has [`GRACE`] to stop. Then, or after a second signal, the
/// program ends.
pub(crate) fn watch() -> io::Result<()> {
    let (again, ending) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    for signal in SIGNALS {
        let (number, status) = (signal.number, signal.exit_status().into());
        flag::register_conditional_shutdown(number, status, Arc::clone(&ending))?;
        flag::register_usize(number, Arc::clone(&RECEIVED), number as usize)?;
        flag::register(number, Arc::clone(&again))?;
    }
    let work = move || {
        let signal = loop {
            match signal() {
                Some(signal) => break signal,
                None => thread::sleep(TICK),
            }
        };
        TOKEN.cancel();
        again.store(false, Ordering::SeqCst);
        let start = Instant::now();
        while start.elapsed() < GRACE && !again.load(Ordering::SeqCst) {
            thread::sleep(TICK);
        }
        // One more signal does not wait for slow disks.
        ending.store(true, Ordering::SeqCst);
        let _paths = temporary::remove_all();
        console::end_line();
        console::error(&signal.to_string());
        // Other threads still work, so the destructors of libraries must not run.
        low_level::exit(signal.exit_status().into());
    };
    thread::Builder::new().name("signals".into()).spawn(work)?;
    Ok(())
}
