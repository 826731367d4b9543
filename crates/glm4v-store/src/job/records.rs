//! From records to rows, and from rows to shards.

use super::Job;
use super::journal::Entry;
use super::open_shard::{Count, OpenShard};
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

    /// Ends a batch, whose records survive from then on. If the shard is large enough, it is written.
    ///
    /// # Errors
    ///
    /// Fails if the disk refuses.
    pub fn end_batch(&mut self) -> Result<(), StoreError> {
        self.or_stop(|job| {
            let Settings {
                shard_bytes,
                shard_inputs,
                ..
            } = job.settings;
            let Some(shard) = job.running()? else {
                return Ok(());
            };
            shard.end_batch()?;
            match shard.count.bytes >= shard_bytes || shard.count.inputs >= shard_inputs {
                true => job.close_shard(),
                false => Ok(()),
            }
        })
    }

    /// Inputs that have a record, finished or not.
    pub(super) fn pushed(&mut self) -> Result<usize, StoreError> {
        let (done, retrying) = (self.journal.total().inputs, self.retrying);
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
            None => OpenShard::create(&self.disk, &self.dir)?,
        };
        let pushed = shard.push(&row);
        *self.running()? = Some(shard);
        pushed?;
        self.buffer = buffer;
        Ok(())
    }

    /// Writes the open shard, if there is one. Its line in the journal makes it count.
    pub(super) fn close_shard(&mut self) -> Result<(), StoreError> {
        let Some(mut shard) = self.running()?.take() else {
            return Ok(());
        };
        shard.end_batch()?;
        let total = self.journal.total();
        let (file, index) = shard.write(&self.disk, &self.dir, total.shards, &self.layout)?;
        let Count {
            inputs,
            failed,
            retried,
            tokens,
            ..
        } = shard.count.clone();
        self.journal.append(&Entry {
            shard: file,
            index,
            first_input: total.inputs,
            inputs: if self.retrying { 0 } else { inputs },
            failed,
            retried,
            tokens,
        })?;
        shard.remove(self.disk.as_ref())
    }
}
