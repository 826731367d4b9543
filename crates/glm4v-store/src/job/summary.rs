use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::directory::SUMMARY;
use crate::StoreError;
use crate::disk::Disk;
use crate::new_file::NewFile;

/// What a finished job contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Inputs, each with a record.
    pub inputs: usize,
    /// Inputs with embeddings.
    pub encoded: usize,
    /// Inputs with an error.
    pub failed: usize,
    /// Tokens of all encoded inputs, before pooling.
    pub tokens: usize,
    /// Shards.
    pub shards: usize,
}

impl Summary {
    /// Reads `summary.json`, which only a complete job has.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join(SUMMARY);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(&path)(error)),
            Ok(text) => serde_json::from_slice(&text).map_err(|_| damaged(&path)),
        }
    }

    /// Compares the file with the journal's `total` and the number of inputs in the list.
    pub(super) fn check(&self, total: Self, inputs: usize, dir: &Path) -> Result<(), StoreError> {
        match *self == total && total.inputs == inputs {
            true => Ok(()),
            false => Err(damaged(&dir.join(SUMMARY))),
        }
    }

    pub(super) fn write(&self, disk: &Arc<dyn Disk>, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(SUMMARY);
        let mut file = NewFile::create(disk, &path)?;
        let text = serde_json::to_string_pretty(self).map_err(io::Error::from);
        text.and_then(|text| writeln!(file, "{text}"))
            .map_err(StoreError::io(&path))?;
        file.publish()?;
        Ok(())
    }
}

fn damaged(path: &Path) -> StoreError {
    let problem = "does not agree with journal.jsonl; delete this file: the job then goes on where the journal ends";
    StoreError::damaged(path, problem)
}
