//! A thread writes a shard while the next one is filled, because most of the time of writing is waiting for the disk.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use super::journal::Entry;
use super::open_shard::{Count, OpenShard};
use super::{Job, State};
use crate::StoreError;
use crate::disk::Disk;
use crate::shard::{Layout, ShardFile};

/// The thread that writes closed shards, one at a time. It is one thread for all shards, because a new thread would get other
/// memory from the allocator. Dropping it waits for its end.
#[derive(Debug)]
pub(super) struct Closing {
    dir: PathBuf,
    /// What the shard that is being written adds up to.
    count: Option<Count>,
    /// A result that was received, but not looked at.
    written: Option<Result<Written, StoreError>>,
    /// `None` when the thread must end.
    closed: Option<SyncSender<Closed>>,
    results: Receiver<Result<Written, StoreError>>,
    thread: Option<JoinHandle<()>>,
}

/// A shard that gets no further rows.
struct Closed {
    rows: OpenShard,
    number: usize,
}

/// The rows of a shard, and its files.
#[derive(Debug)]
struct Written {
    rows: OpenShard,
    file: ShardFile,
    index: Option<ShardFile>,
}

impl Closing {
    fn new(disk: Arc<dyn Disk>, dir: PathBuf, layout: Layout) -> io::Result<Self> {
        let (closed, shards) = sync_channel::<Closed>(1);
        let (sender, results) = sync_channel(1);
        let target = dir.clone();
        let work = move || {
            for Closed { rows, number } in shards {
                let files = rows.write(&disk, &target, number, &layout);
                let written = files.map(|(file, index)| Written { rows, file, index });
                if sender.send(written).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("shards".into()).spawn(work)?;
        Ok(Self {
            dir,
            count: None,
            written: None,
            closed: Some(closed),
            results,
            thread: Some(thread),
        })
    }

    fn start(&mut self, rows: OpenShard, number: usize) {
        self.count = Some(rows.count.clone());
        if let Some(closed) = &self.closed {
            // If the thread is gone, the result says so.
            closed.send(Closed { rows, number }).ok();
        }
    }

    /// Whether the shard is written, or has failed.
    fn is_written(&mut self) -> bool {
        if self.count.is_some() && self.written.is_none() {
            self.written = match self.results.try_recv() {
                Ok(written) => Some(written),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err(self.panicked())),
            };
        }
        self.written.is_some()
    }

    /// Waits for the shard. `None` if there is none.
    fn finish(&mut self) -> Option<Result<(Count, Written), StoreError>> {
        let count = self.count.take()?;
        let written = self.written.take().map_or_else(|| self.results.recv(), Ok);
        let written = written.unwrap_or_else(|_| Err(self.panicked()));
        Some(written.map(|written| (count, written)))
    }

    /// The thread has printed its panic. The rows are still there.
    fn panicked(&self) -> StoreError {
        let problem = io::Error::other("the thread that writes shards has panicked");
        StoreError::io(&self.dir)(problem)
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.closed = None;
        if let Some(thread) = self.thread.take() {
            // Nobody is left to hear of a failure. The rows are still there.
            thread.join().ok();
        }
    }
}

impl Job {
    /// Starts to write the open shard, if there is one. Waits for the shard before it.
    pub(super) fn start_closing(&mut self) -> Result<(), StoreError> {
        self.finish_closing()?;
        let Some(mut rows) = self.running()?.take() else {
            return Ok(());
        };
        rows.end_batch()?;
        let closing = match self.closing.take() {
            Some(closing) => closing,
            None => {
                let disk = Arc::clone(&self.disk);
                let closing = Closing::new(disk, self.dir.clone(), self.layout.clone());
                closing.map_err(StoreError::io(&self.dir))?
            }
        };
        let number = self.journal.total().shards;
        self.closing.insert(closing).start(rows, number);
        Ok(())
    }

    /// Finishes the shard that is being written, if its thread is done with it.
    pub(super) fn poll_closing(&mut self) -> Result<(), StoreError> {
        match self.closing.as_mut().is_some_and(Closing::is_written) {
            true => self.finish_closing(),
            false => Ok(()),
        }
    }

    /// Waits for the shard that is being written, if there is one. Its line in the journal makes it count.
    pub(super) fn finish_closing(&mut self) -> Result<(), StoreError> {
        let Some(finished) = self.closing.as_mut().and_then(Closing::finish) else {
            return Ok(());
        };
        let (count, Written { rows, file, index }) = finished?;
        let Count {
            inputs,
            failed,
            retried,
            tokens,
            ..
        } = count;
        self.journal.append(&Entry {
            shard: file,
            index,
            first_input: self.journal.total().inputs,
            inputs: if self.retrying { 0 } else { inputs },
            failed,
            retried,
            tokens,
        })?;
        rows.remove(self.disk.as_ref())
    }

    /// What the shard that is being written adds up to.
    pub(super) fn closing_count(&self) -> Option<&Count> {
        self.closing.as_ref()?.count.as_ref()
    }
}

impl Drop for Job {
    /// Finishes the shard that is being written, so that the next process does not write it again.
    fn drop(&mut self) {
        // After an error of the disk, the journal may end within a line.
        if !matches!(self.state, State::Stopped) {
            self.finish_closing().ok();
        }
    }
}
