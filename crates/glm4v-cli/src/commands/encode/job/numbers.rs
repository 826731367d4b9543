//! Which inputs of a job's list are read.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use glm4v::pipeline::Inputs;
use glm4v::plan::BatchLimits;
use glm4v_collect::{Entry, MediaReader};
use glm4v_store::{Job, StoreError};

use super::source::{Hashes, source};
use crate::console::Console;
use crate::pipes::Pipes;
use crate::session::Session;

/// Which inputs of the list are encoded.
pub(super) enum Numbers {
    /// That of this number, and all that follow.
    From(usize),
    /// Those that failed before.
    Failed(BTreeSet<usize>),
}

impl Numbers {
    pub(super) fn failed(job: &Job) -> Self {
        Self::Failed(job.failed().into_iter().collect())
    }

    fn contains(&self, number: usize) -> bool {
        match self {
            Self::From(first) => number >= *first,
            Self::Failed(numbers) => numbers.contains(&number),
        }
    }

    /// The inputs, with their numbers.
    pub(super) fn of(
        self: &Arc<Self>,
        job: &Job,
    ) -> Result<impl Iterator<Item = NumberedEntry> + Send + use<>> {
        let (all, numbers) = (job.inputs::<Entry>()?, Arc::clone(self));
        Ok(all
            .enumerate()
            .filter(move |(number, _)| numbers.contains(*number)))
    }

    pub(super) fn announce(&self, job: &Job, console: &Console) {
        let all = job.len();
        match self {
            Self::From(0) => {}
            Self::From(done) => {
                console.note(&format!("{done} of {all} inputs are done; the job goes on"));
            }
            Self::Failed(numbers) => {
                let failed = numbers.len();
                console.note(&format!(
                    "{failed} of {all} inputs failed; they are tried again"
                ));
            }
        }
    }
}

pub(super) type NumberedEntry = (usize, Result<Entry, StoreError>);

/// Reads the inputs of a job.
pub(super) struct Reader<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) media: MediaReader,
    pub(super) pipes: Pipes,
    pub(super) limits: BatchLimits,
    pub(super) hashes: Hashes,
}

impl Reader<'_> {
    pub(super) fn inputs(&self, job: &Job, numbers: &Arc<Numbers>) -> Result<Inputs> {
        let (media, hashes) = (self.media.clone(), self.hashes.clone());
        let entries = numbers.of(job)?.enumerate();
        let sources = entries.map(move |(index, (_, entry))| source(index, entry, &media, &hashes));
        let processor = Arc::clone(&self.session.processor);
        let read = self.pipes.options(self.session.read.clone());
        Ok(Inputs::new(sources, processor, read, self.limits))
    }
}
