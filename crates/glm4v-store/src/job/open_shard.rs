use std::path::Path;
use std::sync::Arc;

use crate::StoreError;
use crate::disk::Disk;
use crate::shard::{Layout, Row, ShardWriter};

/// The shard that is being written.
pub(super) struct OpenShard {
    pub(super) writer: ShardWriter,
    pub(super) inputs: usize,
    pub(super) failed: usize,
    pub(super) tokens: usize,
    /// Bytes of embeddings.
    pub(super) bytes: u64,
}

impl OpenShard {
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        number: usize,
        layout: &Layout,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            writer: ShardWriter::create(disk, dir, number, layout)?,
            inputs: 0,
            failed: 0,
            tokens: 0,
            bytes: 0,
        })
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        self.writer.push(row)?;
        self.inputs += 1;
        match &row.outcome {
            Ok(values) => {
                self.tokens += values.tokens;
                self.bytes += values.bytes.len() as u64;
            }
            Err(_) => self.failed += 1,
        }
        Ok(())
    }
}

impl std::fmt::Debug for OpenShard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { inputs, bytes, .. } = self;
        write!(f, "OpenShard {{ inputs: {inputs}, bytes: {bytes} }}")
    }
}
