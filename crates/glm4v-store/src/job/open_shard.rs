use std::path::Path;
use std::sync::Arc;

use super::Summary;
use super::row_file::RowFile;
use crate::StoreError;
use crate::disk::Disk;
use crate::shard::{Layout, Row, ShardFile, ShardWriter};

/// The shard that is not full yet. Its rows are in a file, so that they survive an interruption.
pub(super) struct OpenShard {
    rows: RowFile,
    /// What all rows add up to.
    pub(super) count: Count,
    /// Rows of batches that have ended.
    pub(super) ended: usize,
}

/// What the rows of a shard add up to.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    pub(super) inputs: usize,
    /// The numbers of the inputs without embeddings.
    pub(super) failed: Vec<usize>,
    /// The numbers of the inputs with embeddings, of a shard of a second attempt only.
    pub(super) retried: Vec<usize>,
    pub(super) tokens: usize,
    /// Bytes of embeddings.
    pub(super) bytes: u64,
}

impl OpenShard {
    /// Starts shard `number`.
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        number: usize,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            rows: RowFile::create(disk, dir, number)?,
            count: Count::default(),
            ended: 0,
        })
    }

    /// The shard that an interruption left, after the `finished` ones.
    pub(super) fn recover(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        finished: Summary,
        layout: &Layout,
    ) -> Result<Option<Self>, StoreError> {
        let mut count = Count::default();
        let place = (finished.shards, finished.inputs);
        let rows = RowFile::recover(disk, dir, place, layout, |row| count.add(row))?;
        Ok(rows.map(|rows| Self {
            rows,
            ended: count.inputs,
            count,
        }))
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        self.rows.push(row)?;
        self.count.add(row);
        Ok(())
    }

    pub(super) fn end_batch(&mut self) -> Result<(), StoreError> {
        if self.ended < self.count.inputs {
            self.rows.end_batch()?;
            self.ended = self.count.inputs;
        }
        Ok(())
    }

    /// Writes the rows as shard `number`. Returns the shard, and its index if there is one.
    pub(super) fn write(
        &self,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        number: usize,
        layout: &Layout,
    ) -> Result<(ShardFile, Option<ShardFile>), StoreError> {
        let mut writer = ShardWriter::create(disk, dir, number, layout)?;
        self.rows
            .replay(self.count.inputs, |row| writer.push(row))?;
        writer.finish()
    }

    /// Removes the rows, which are in a finished shard now.
    pub(super) fn remove(self, disk: &dyn Disk) -> Result<(), StoreError> {
        self.rows.remove(disk)
    }
}

impl Count {
    fn add(&mut self, row: &Row<'_>) {
        self.inputs += 1;
        match &row.outcome {
            Ok(values) => {
                self.tokens = self.tokens.saturating_add(values.tokens);
                self.bytes += values.bytes.len() as u64;
            }
            Err(_) => self.failed.push(row.input),
        }
    }
}

impl std::fmt::Debug for OpenShard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Count { inputs, bytes, .. } = self.count;
        write!(f, "OpenShard {{ inputs: {inputs}, bytes: {bytes} }}")
    }
}
