//! From records to rows, and from rows to shards.

use super::open_shard::OpenShard;
use super::{Job, State};
use crate::record::Record;
use crate::{Settings, StoreError};

impl Job {
    /// Adds the record of the next input.
    ///
    /// # Errors
    ///
    /// Fails if the embeddings do not have the width of the job, if all inputs have a record, or if the disk refuses.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        self.or_stop(|job| {
            let input = job.pushed()?;
            if input == job.inputs || job.retrying {
                let dir = job.dir.clone();
                return Err(StoreError::TooMany { dir, inputs: input });
            }
            job.store(input, record)
        })
    }

    /// Ends a batch, whose records survive from then on. If the shard is large enough, a thread writes it while the next
    /// one is filled. An error of the thread is returned by a later call.
    ///
    /// # Errors
    ///
    /// Fails if the disk refuses.
    pub fn end_batch(&mut self) -> Result<(), StoreError> {
        self.or_stop(|job| {
            let Some(shard) = job.running()? else {
                return Ok(());
            };
            shard.end_batch()?;
            job.poll_closing()?;
            match &job.state {
                State::Running(Some(shard)) if job.is_full(shard) => job.start_closing(),
                State::Running(_) | State::Stopped | State::Complete => Ok(()),
            }
        })
    }

    pub(super) fn is_full(&self, shard: &OpenShard) -> bool {
        let Settings {
            shard_bytes,
            shard_inputs,
            ..
        } = self.settings;
        shard.count.bytes >= shard_bytes || shard.count.inputs >= shard_inputs
    }

    /// Inputs in shards that are finished or being written.
    pub(super) fn in_full_shards(&self) -> usize {
        let closing = self.closing_count().filter(|_| !self.retrying);
        self.journal.total().inputs + closing.map_or(0, |count| count.inputs)
    }

    /// Inputs that have a record, finished or not.
    pub(super) fn pushed(&mut self) -> Result<usize, StoreError> {
        let (done, retrying) = (self.in_full_shards(), self.retrying);
        let shard = self.running()?.as_ref().filter(|_| !retrying);
        Ok(done + shard.map_or(0, |shard| shard.count.inputs))
    }

    /// Adds the record of the input of this number to the open shard.
    pub(super) fn store(&mut self, input: usize, record: &Record<'_>) -> Result<(), StoreError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let texts = record.texts();
        let row = self.layout.row(input, record, &texts, &mut buffer)?;
        let mut shard = match self.running()?.take() {
            Some(shard) => shard,
            None => {
                let number =
                    self.journal.total().shards + usize::from(self.closing_count().is_some());
                OpenShard::create(&self.disk, &self.dir, number)?
            }
        };
        let pushed = shard.push(&row);
        *self.running()? = Some(shard);
        pushed?;
        self.buffer = buffer;
        Ok(())
    }
}
