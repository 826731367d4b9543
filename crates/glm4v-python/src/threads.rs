//! The threads that work, beside the thread that runs Python.
//!
//! A call waits without the GIL, so that other Python threads go on. It looks for Ctrl-C from time to time. A forked process
//! has only the thread that forked: the threads of rayon's pool are gone, and a call that needs them would never end. There,
//! each call starts a pool of its own.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use glm4v::CancelToken;
use pyo3::prelude::*;
use rayon::ThreadPoolBuilder;

use crate::errors;

/// How often a call that waits looks for Ctrl-C.
const TICK: Duration = Duration::from_millis(50);

/// What the thread that works tells the thread that waits.
pub(crate) enum Event {
    /// It needs the next source.
    Source,
    /// It has ended.
    End,
}

/// The threads that a call uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pool {
    /// The pool of the process.
    Shared,
    /// A pool for this call: the process is a fork.
    Own,
    /// None, because the process was forked during a call. Locks of that call may be locked for ever.
    Broken,
}

#[derive(Clone, Copy, Debug)]
struct Process {
    /// The process that called last; 0 before the first call.
    id: u32,
    pool: Pool,
}

/// It is locked only by threads that have the GIL. A thread that forks has the GIL, so the lock is free in every fork.
static PROCESS: Mutex<Process> = Mutex::new(Process {
    id: 0,
    pool: Pool::Shared,
});
/// The number of calls that work now.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// The number of threads that a fork sets; 0 for the number of the first process.
static FORK_THREADS: AtomicUsize = AtomicUsize::new(0);

const BROKEN: &str = "this process was forked while glm4v worked in another thread, so glm4v cannot be used in it: use the \
     start method \"spawn\" of multiprocessing, or fork when no call of glm4v runs";

type Panic = Box<dyn Any + Send>;

struct Running;

impl Running {
    fn start() -> Self {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pool {
    /// The pool of this process.
    fn of_process(py: Python<'_>) -> PyResult<Self> {
        let mut process = lock(&PROCESS);
        let id = process::id();
        if process.id != 0 && process.id != id {
            let was_working = RUNNING.swap(0, Ordering::SeqCst) > 0;
            process.pool = match process.pool {
                Self::Broken => Self::Broken,
                Self::Shared | Self::Own if was_working => Self::Broken,
                Self::Shared | Self::Own => Self::Own,
            };
        }
        process.id = id;
        match process.pool {
            Self::Broken => Err(errors::named(py, "Error", BROKEN.to_owned())),
            pool @ (Self::Shared | Self::Own) => Ok(pool),
        }
    }

    /// Runs `work` with these threads.
    fn run<T: Send>(self, work: impl FnOnce() -> T + Send) -> Result<T, Panic> {
        let work = || match self {
            Self::Shared | Self::Broken => work(),
            Self::Own => {
                let threads = match FORK_THREADS.load(Ordering::Relaxed) {
                    0 => rayon::current_num_threads(),
                    threads => threads,
                };
                let pool = ThreadPoolBuilder::new().num_threads(threads).build();
                pool.expect("threads start").install(work)
            }
        };
        catch_unwind(AssertUnwindSafe(work))
    }
}

/// Runs `work` in another thread, and waits for it. After Ctrl-C the call ends at once: it cancels `work` and raises
/// `KeyboardInterrupt`.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&CancelToken) -> T + Send + 'static,
) -> PyResult<T> {
    let (sender, events) = mpsc::channel();
    wait(py, sender, &Mutex::new(events), work, |_| Ok(()))
}

/// [`run`] with an answer to each [`Event::Source`].
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    sender: Sender<Event>,
    events: &Mutex<Receiver<Event>>,
    work: impl FnOnce(&CancelToken) -> T + Send + 'static,
    mut answer: impl FnMut(Python<'_>) -> PyResult<()>,
) -> PyResult<T> {
    let (pool, running) = (Pool::of_process(py)?, Running::start());
    let (cancel, (outcomes, outcome)) = (CancelToken::new(), mpsc::channel());
    let token = cancel.clone();
    let work = move || {
        let outcome = pool.run(|| work(&token));
        drop(running);
        // After Ctrl-C nobody waits.
        let _ = outcomes.send(outcome);
        let _ = sender.send(Event::End);
    };
    thread::Builder::new().name("glm4v".into()).spawn(work)?;
    loop {
        let answered = match py.detach(|| next(events)) {
            Some(Event::Source) => answer(py),
            Some(Event::End) => break,
            None => Ok(()),
        };
        if let Err(interrupt) = answered.and_then(|()| py.check_signals()) {
            cancel.cancel();
            return Err(interrupt);
        }
    }
    let outcome = outcome.recv().expect("the thread sends its outcome first");
    outcome.map_err(|panic| errors::of_panic(py, &*panic))
}

/// Runs short `work` in this thread, without the GIL.
pub(crate) fn here<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    let (pool, _running) = (Pool::of_process(py)?, Running::start());
    let outcome = py.detach(|| pool.run(work));
    outcome.map_err(|panic| errors::of_panic(py, &*panic))
}

/// The next event, unless it takes too long.
fn next(events: &Mutex<Receiver<Event>>) -> Option<Event> {
    lock(events).recv_timeout(TICK).ok()
}

/// Nothing that is locked here panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of threads that work.
#[pyfunction]
pub(crate) fn num_threads(py: Python<'_>) -> PyResult<usize> {
    here(py, rayon::current_num_threads)
}

/// Sets the number of threads that work. It can be set once, before the first call.
#[pyfunction]
pub(crate) fn set_num_threads(py: Python<'_>, threads: usize) -> PyResult<()> {
    if threads == 0 {
        return Err(errors::refused(
            py,
            "num_threads: expected at least 1, found 0",
        ));
    }
    match Pool::of_process(py)? {
        Pool::Own => FORK_THREADS.store(threads, Ordering::Relaxed),
        Pool::Shared | Pool::Broken => {
            let built = ThreadPoolBuilder::new().num_threads(threads).build_global();
            let found = rayon::current_num_threads();
            if built.is_err() && found != threads {
                let message = format!(
                    "num_threads: {threads} threads were asked for, but {found} were started already: set the number \
                     before the first call"
                );
                return Err(errors::named(py, "Error", message));
            }
        }
    }
    Ok(())
}

/// Panics in a thread that works. This is for the tests.
#[pyfunction(name = "_panic")]
pub(crate) fn panic(py: Python<'_>) -> PyResult<()> {
    run(py, |_| panic!("out of luck"))
}
