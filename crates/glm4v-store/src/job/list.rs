//! The list of inputs, `inputs.jsonl`: one JSON value a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::hashing::{Hashing, hash_all};
use crate::{Split, StoreError};

/// Number and SHA-256 of the inputs of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InputList {
    pub(super) count: usize,
    pub(super) sha256: String,
}

impl InputList {
    pub(super) const NAME: &str = "inputs.jsonl";

    /// Writes the inputs that belong to `split`. `path` is for errors.
    pub(super) fn write<T: Serialize>(
        inputs: impl IntoIterator<Item = io::Result<T>>,
        split: Split,
        output: impl Write,
        path: &Path,
    ) -> Result<Self, StoreError> {
        let mut output = Hashing::new(output);
        let mut count = 0;
        for (number, input) in inputs.into_iter().enumerate() {
            let input = input.map_err(|source| StoreError::Inputs { source })?;
            if split.belongs(number) {
                let line = serde_json::to_writer(&mut output, &input).map_err(io::Error::from);
                line.and_then(|()| output.write_all(b"\n"))
                    .map_err(StoreError::io(path))?;
                count += 1;
            }
        }
        let sha256 = output.written().sha256;
        Ok(Self { count, sha256 })
    }

    /// Checks that the file of the list was not changed.
    pub(super) fn check(&self, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(Self::NAME);
        let hashed = File::open(&path).and_then(hash_all);
        if hashed.map_err(StoreError::io(&path))?.sha256 != self.sha256 {
            let problem = "the list of inputs was changed after the job was started; restore the file, or start the job \
                           again in an empty directory";
            return Err(StoreError::damaged(&path, problem));
        }
        Ok(())
    }
}

/// The inputs of a job, in order, read from its directory. See [`Job::inputs`](crate::Job::inputs).
#[derive(Debug)]
pub struct StoredInputs<T> {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    number: usize,
    inputs: PhantomData<T>,
}

impl<T> StoredInputs<T> {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(InputList::NAME);
        let file = File::open(&path).map_err(StoreError::io(&path))?;
        Ok(Self {
            path,
            lines: BufReader::new(file).lines(),
            number: 0,
            inputs: PhantomData,
        })
    }
}

impl<T: DeserializeOwned> Iterator for StoredInputs<T> {
    type Item = Result<T, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        self.number += 1;
        Some(line.map_err(StoreError::io(&self.path)).and_then(|line| {
            let unreadable = |error| {
                let problem = format!(
                    "line {}: not an input of this program: {error}",
                    self.number
                );
                StoreError::damaged(&self.path, problem)
            };
            serde_json::from_str(&line).map_err(unreadable)
        }))
    }
}
