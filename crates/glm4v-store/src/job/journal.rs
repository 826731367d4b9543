//! `journal.jsonl`: one line for every shard that is complete.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::summary::Summary;
use crate::StoreError;
use crate::disk::{Disk, Output};
use crate::shard::ShardFile;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) shard: ShardFile,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<ShardFile>,
    /// The number of the first input, counted from 0.
    pub(super) first_input: usize,
    pub(super) inputs: usize,
    /// The numbers of the inputs without embeddings.
    pub(super) failed: Vec<usize>,
    /// The numbers of the inputs whose second attempt succeeded. Such a shard has no other inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retried: Vec<usize>,
    pub(super) tokens: usize,
}

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    /// Inputs of the job.
    inputs: usize,
    /// Inputs in finished shards, and what they add up to.
    total: Summary,
    /// The numbers of the inputs without embeddings.
    failed: BTreeSet<usize>,
}

impl Journal {
    const NAME: &str = "journal.jsonl";

    /// Reads the journal of a job of `inputs` inputs, and compares it with the shards. A last line that was cut by an
    /// interruption is removed.
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        inputs: usize,
    ) -> Result<Self, StoreError> {
        let mut journal = Self {
            path: dir.join(Self::NAME),
            disk: Arc::clone(disk),
            inputs,
            total: Summary::default(),
            failed: BTreeSet::new(),
        };
        let text = match fs::read(&journal.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text.map_err(StoreError::io(&journal.path))?,
        };
        let mut valid = 0;
        let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        for (number, line) in lines.iter().enumerate() {
            let entry = serde_json::from_slice::<Entry>(line);
            match entry {
                Ok(entry) if line.ends_with(b"\n") => journal.admit(dir, entry, number + 1)?,
                _ if number + 1 == lines.len() => break,
                _ => return Err(journal.damaged(number + 1)),
            }
            valid += line.len();
        }
        if valid < text.len() {
            let cut = disk.truncate(&journal.path, valid as u64);
            cut.map_err(StoreError::io(&journal.path))?;
        }
        Ok(journal)
    }

    fn admit(&mut self, dir: &Path, entry: Entry, line: usize) -> Result<(), StoreError> {
        let inputs = self.total.inputs..self.total.inputs.saturating_add(entry.inputs);
        let follows = entry.first_input == self.total.inputs
            && inputs.end <= self.inputs
            && self.total.tokens.checked_add(entry.tokens).is_some()
            && entry.failed.iter().all(|input| inputs.contains(input))
            && entry
                .retried
                .iter()
                .all(|input| self.failed.contains(input));
        if !follows {
            return Err(self.damaged(line));
        }
        for shard in [Some(&entry.shard), entry.index.as_ref()]
            .into_iter()
            .flatten()
        {
            check_file(dir, shard, line)?;
        }
        self.add(&entry);
        Ok(())
    }

    fn add(&mut self, entry: &Entry) {
        self.failed.extend(&entry.failed);
        for input in &entry.retried {
            self.failed.remove(input);
        }
        self.total.inputs += entry.inputs;
        self.total.failed = self.failed.len();
        self.total.encoded = self.total.inputs - self.total.failed;
        self.total.tokens = self.total.tokens.saturating_add(entry.tokens);
        self.total.shards += 1;
    }

    /// Adds a shard, whose files are complete.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let written = self.try_append(entry);
        written.map_err(StoreError::io(&self.path))?;
        self.add(entry);
        Ok(())
    }

    fn try_append(&self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file: Box<dyn Output> = self.disk.append(&self.path)?;
        file.write_all(&line)?;
        file.sync()?;
        // The first line makes a new name.
        match self.path.parent() {
            Some(dir) if self.total.shards == 0 => self.disk.sync_dir(dir),
            _ => Ok(()),
        }
    }

    /// What all finished shards contain.
    pub(super) fn total(&self) -> Summary {
        self.total
    }

    /// The numbers of the inputs without embeddings in finished shards.
    pub(super) fn failed(&self) -> &BTreeSet<usize> {
        &self.failed
    }

    fn damaged(&self, line: usize) -> StoreError {
        let problem = format!(
            "line {line} is damaged; delete it and all later lines: the job then encodes these inputs again"
        );
        StoreError::damaged(&self.path, problem)
    }
}

fn check_file(dir: &Path, shard: &ShardFile, line: usize) -> Result<(), StoreError> {
    let path = dir.join(&shard.file);
    let problem = match fs::metadata(&path) {
        Ok(found) if found.len() == shard.bytes => return Ok(()),
        Ok(found) => format!("expected {} bytes, found {}", shard.bytes, found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "the file is missing".into(),
        Err(error) => return Err(StoreError::io(&path)(error)),
    };
    Err(StoreError::Shard {
        path,
        problem,
        line,
    })
}
