//! A second attempt for inputs that failed.

use super::directory::SUMMARY;
use super::open_shard::Count;
use super::{Job, State};
use crate::StoreError;
use crate::record::Record;

impl Job {
    /// The numbers of the inputs without embeddings in finished shards, in order. All are finished after [`Job::finish`].
    #[must_use]
    pub fn failed(&self) -> Vec<usize> {
        self.journal.failed().iter().copied().collect()
    }

    /// Starts a second attempt for the inputs of [`Job::failed`], after [`Job::finish`]. Call [`Job::push_retried`] for each
    /// input that has embeddings now, [`Job::end_batch`] after each batch, and [`Job::finish`] in the end.
    ///
    /// The new rows are stored in new shards. The rows with the first errors stay. So an input that is encoded has exactly one
    /// row with embeddings.
    ///
    /// # Errors
    ///
    /// Fails if the job is not complete, or if the file cannot be written.
    pub fn retry(&mut self) -> Result<(), StoreError> {
        let State::Complete = self.state else {
            let found = self.pushed()?;
            let (dir, expected) = (self.dir.clone(), self.inputs);
            return Err(StoreError::Unfinished {
                dir,
                expected,
                found,
            });
        };
        // The summary will be another one. Until then the job is not complete.
        let path = self.dir.join(SUMMARY);
        let removed = self.disk.remove(&path);
        removed
            .and_then(|()| self.disk.sync_dir(&self.dir))
            .map_err(StoreError::io(&path))?;
        self.state = State::Running(None);
        self.retrying = true;
        Ok(())
    }

    /// Adds the record of an input that had failed. A record with an error changes nothing.
    ///
    /// # Errors
    ///
    /// Fails if the input is not among [`Job::failed`], if its embeddings do not have the width of the job, or if the file
    /// cannot be written.
    pub fn push_retried(&mut self, input: usize, record: &Record<'_>) -> Result<(), StoreError> {
        self.or_stop(|job| {
            let open = job.running()?.as_ref().map(|shard| &shard.count);
            let is_in = |count: &Count| count.retried.contains(&input);
            let is_open = open.is_some_and(is_in) || job.closing_count().is_some_and(is_in);
            if !job.retrying || is_open || !job.journal.failed().contains(&input) {
                return Err(StoreError::Record {
                    id: record.id.into(),
                    problem: "it is not an input that gets a second attempt".into(),
                });
            }
            if record.outcome.is_err() {
                return Ok(());
            }
            job.store(input, record)?;
            if let Some(shard) = job.running()? {
                shard.count.retried.push(input);
            }
            Ok(())
        })
    }
}
