use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use glm4v_shards::{Chunk, Plan};

use crate::attempts::Attempts;
use crate::client::{Client, RangeBody};
use crate::partial::PartialFetch;
use crate::remote::Source;
use crate::{HubError, Progress, Transfer};

/// Fetches the chunks of a plan to disk.
pub(crate) struct Download<'a> {
    pub(crate) client: &'a Client,
    pub(crate) plan: &'a Plan,
    /// The shards of the plan, in the plan's order.
    pub(crate) sources: &'a [Source],
    pub(crate) partial: &'a PartialFetch,
    pub(crate) transfer: &'a Transfer,
    pub(crate) progress: &'a dyn Progress,
}

const BUFFER_BYTES: usize = 128 << 10;

impl Download<'_> {
    /// Fetches the missing chunks, several at once. Stops at the first failure.
    pub(crate) fn run(&self) -> Result<(), HubError> {
        let chunks = self.plan.chunks.iter().enumerate();
        let (done, missing): (Vec<_>, Vec<_>) =
            chunks.partition(|(number, _)| self.partial.is_done(*number));
        let done = done.iter().map(|(_, chunk)| chunk.tensor_bytes()).sum();
        self.progress.started(self.plan.tensor_bytes(), done);
        let (next, stop, failure) = (
            AtomicUsize::new(0),
            AtomicBool::new(false),
            Mutex::new(None),
        );
        let work = || {
            while let Some((number, chunk)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.fetch(*number, chunk, &stop) {
                    // Later failures are consequences of the first.
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
            for _ in 0..self.transfer.connections.clamp(1, missing.len().max(1)) {
                scope.spawn(work);
            }
        });
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), Err)
    }

    fn fetch(&self, number: usize, chunk: &Chunk, stop: &AtomicBool) -> Result<(), HubError> {
        let path = self.partial.weights();
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
        self.partial.mark(number)
    }

    /// Requests `chunk` from `position` on, and moves `position` past the bytes that are written.
    fn read(
        &self,
        chunk: &Chunk,
        position: &mut u64,
        file: &mut File,
        stop: &AtomicBool,
    ) -> Result<(), HubError> {
        let Source { url, file_bytes } = &self.sources[chunk.shard];
        let first = *position;
        let mut response = self.client.range(url, first..chunk.range.end, false)?;
        if response.file_bytes != *file_bytes {
            return Err(HubError::Response {
                url: response.url,
                expected: format!("a file of {file_bytes} bytes"),
                found: format!("one of {}", response.file_bytes),
            });
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        while *position < chunk.range.end && !stop.load(Ordering::Relaxed) {
            if self.progress.is_cancelled() {
                return Err(HubError::Cancelled);
            }
            let left = (chunk.range.end - *position).min(buffer.len() as u64) as usize;
            let count = read_some(&mut response, &mut buffer[..left])?;
            if count == 0 {
                return Err(HubError::Truncated {
                    url: response.url,
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

    /// Writes the tensors' bytes among `bytes`. Returns how many were written.
    fn write(
        &self,
        chunk: &Chunk,
        position: u64,
        bytes: &[u8],
        file: &mut File,
    ) -> Result<u64, HubError> {
        let mut written = 0;
        let copies = chunk.copies.iter();
        for (target, tensor_bytes) in copies.filter_map(|copy| copy.overlap(position, bytes)) {
            let seek = file.seek(SeekFrom::Start(target));
            seek.and_then(|_| file.write_all(tensor_bytes))
                .map_err(HubError::writing(
                    &self.partial.weights(),
                    self.plan.file_bytes,
                ))?;
            written += tensor_bytes.len() as u64;
        }
        Ok(written)
    }
}

/// Reads the bytes that have arrived. Returns 0 at the end.
fn read_some(response: &mut RangeBody, buffer: &mut [u8]) -> Result<usize, HubError> {
    response
        .body
        .read(buffer)
        .map_err(|source| HubError::Connection {
            url: response.url.clone(),
            source,
        })
}
