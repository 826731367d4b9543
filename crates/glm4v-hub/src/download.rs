use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use glm4v_shards::{Chunk, Plan};

use crate::attempts::Attempts;
use crate::client::{Client, Part};
use crate::remote::Source;
use crate::unfinished::Unfinished;
use crate::{HubError, Progress, Transfer};

/// The chunks of a plan, on their way to disk.
pub(crate) struct Download<'a> {
    pub(crate) client: &'a Client,
    pub(crate) plan: &'a Plan,
    /// Where the plan's shards are.
    pub(crate) sources: &'a [Source],
    pub(crate) unfinished: &'a Unfinished,
    pub(crate) transfer: &'a Transfer,
    pub(crate) progress: &'a dyn Progress,
}

const BUFFER_BYTES: usize = 128 << 10;

impl Download<'_> {
    /// Fetches the chunks that are not there yet, several at once, up to the first that fails.
    pub(crate) fn run(&self) -> Result<(), HubError> {
        let chunks = self.plan.chunks.iter().enumerate();
        let (done, open): (Vec<_>, Vec<_>) =
            chunks.partition(|(number, _)| self.unfinished.is_done(*number));
        let done = done.iter().map(|(_, chunk)| chunk.wanted()).sum();
        self.progress.started(self.plan.wanted(), done);
        let (next, stop, failure) = (
            AtomicUsize::new(0),
            AtomicBool::new(false),
            Mutex::new(None),
        );
        let work = || {
            while let Some((number, chunk)) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.fetch(*number, chunk, &stop) {
                    // What fails after this fails because of it.
                    if !stop.swap(true, Ordering::Relaxed) {
                        *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.transfer.connections.clamp(1, open.len().max(1)) {
                scope.spawn(work);
            }
        });
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), Err)
    }

    fn fetch(&self, number: usize, chunk: &Chunk, stop: &AtomicBool) -> Result<(), HubError> {
        let path = self.unfinished.weights();
        let failed = || HubError::writing(&path, self.plan.file_bytes);
        let mut file = File::options().write(true).open(&path).map_err(failed())?;
        let mut position = chunk.range.start;
        let attempts = Attempts {
            transfer: self.transfer,
            progress: self.progress,
            stop,
        };
        attempts.run(|| self.read(chunk, &mut position, &mut file, stop))?;
        if position < chunk.range.end {
            return Ok(());
        }
        file.sync_data().map_err(failed())?;
        self.unfinished.mark(number)
    }

    /// Asks for `chunk` from `position` on, which goes as far as bytes are written.
    fn read(
        &self,
        chunk: &Chunk,
        position: &mut u64,
        file: &mut File,
        stop: &AtomicBool,
    ) -> Result<(), HubError> {
        let Source { url, file_bytes } = &self.sources[chunk.shard];
        let first = *position;
        let mut part = self.client.part(url, first..chunk.range.end, false)?;
        if part.file_bytes != *file_bytes {
            return Err(HubError::Response {
                url: part.url,
                expected: format!("a file of {file_bytes} bytes"),
                found: format!("one of {}", part.file_bytes),
            });
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        while *position < chunk.range.end && !stop.load(Ordering::Relaxed) {
            let left = (chunk.range.end - *position).min(buffer.len() as u64) as usize;
            let count = read_some(&mut part, &mut buffer[..left])?;
            if count == 0 {
                return Err(HubError::Cut {
                    url: part.url,
                    expected: chunk.range.end - first,
                    found: *position - first,
                });
            }
            let written = self.write(chunk, *position, &buffer[..count], file)?;
            *position += count as u64;
            self.progress.advanced(written);
        }
        Ok(())
    }

    /// Writes what is wanted of `bytes`, and returns how much that is.
    fn write(
        &self,
        chunk: &Chunk,
        position: u64,
        bytes: &[u8],
        file: &mut File,
    ) -> Result<u64, HubError> {
        let mut written = 0;
        for (to, part) in chunk
            .pieces
            .iter()
            .filter_map(|piece| piece.take(position, bytes))
        {
            let seek = file.seek(SeekFrom::Start(to));
            seek.and_then(|_| file.write_all(part))
                .map_err(HubError::writing(
                    &self.unfinished.weights(),
                    self.plan.file_bytes,
                ))?;
            written += part.len() as u64;
        }
        Ok(written)
    }
}

/// As much as is there, and nothing at the end.
fn read_some(part: &mut Part, buffer: &mut [u8]) -> Result<usize, HubError> {
    part.body
        .read(buffer)
        .map_err(|source| HubError::Connection {
            url: part.url.clone(),
            source,
        })
}
