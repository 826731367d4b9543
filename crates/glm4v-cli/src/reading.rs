//! Reading inputs in batches. The first input that fails stops the command.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use glm4v::devices::Backend;
use glm4v::pipeline::{Batches, InputError, InputInfo, Inputs, ReadBatch};
use glm4v::plan::{BatchLimits, Target};
use glm4v::preprocess::ReadOptions;
use glm4v::{FloatDType, Patches, Processor};
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::console::Console;

/// Inputs that are read batch by batch, with a progress bar.
pub(crate) struct Reading<'a> {
    batches: Batches,
    /// Counts the inputs that are read.
    pub(crate) bar: ProgressBar,
    console: &'a Console,
}

/// The inputs of a batch, and their patch rows.
pub(crate) type Batch = (Vec<InputInfo>, Patches);

impl<'a> Reading<'a> {
    /// Reads `inputs`, of which there are `count`.
    pub(crate) fn new(inputs: Inputs, count: usize, console: &'a Console) -> Self {
        Self {
            batches: Batches::new(inputs),
            bar: console.progress("reading", Some(count)),
            console,
        }
    }

    /// The next batch; `None` after the last. Returns the error of the first input of the batch that cannot be read.
    pub(crate) fn next(&mut self) -> Result<Option<Batch>> {
        let Some(ReadBatch { patches, inputs }) = self.batches.next() else {
            return Ok(None);
        };
        let inputs = inputs.into_iter().collect::<Result<Vec<_>, InputError>>()?;
        for input in &inputs {
            self.bar.inc(1);
            for warning in &input.warnings {
                self.console.warning(&format!("{}: {warning}", input.name));
            }
        }
        Ok(Some((inputs, patches)))
    }
}

/// Fails if an input does not exist, before anything is done for the others.
pub(crate) fn check_exist(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let found = path.metadata();
        found.with_context(|| format!("{}: cannot be read", path.display()))?;
    }
    Ok(())
}

/// The limits for reading without encoding. They are those of a CPU, with prefetch: the cores have no other work.
pub(crate) fn limits() -> BatchLimits {
    BatchLimits {
        prefetch: true,
        ..BatchLimits::new(&Target::new(Backend::Flex, FloatDType::F32))
    }
}

/// What the look-ahead knows of an input.
pub(crate) fn known(info: Result<&InputInfo, &InputError>) -> Result<InputInfo, InputError> {
    info.cloned().map_err(Clone::clone)
}

/// What is known of inputs before they are decoded. At any time only one is open for each thread.
pub(crate) fn probe(
    paths: &[PathBuf],
    processor: &Arc<Processor>,
    options: &ReadOptions,
) -> Result<Vec<InputInfo>> {
    let probe = |path: &PathBuf| -> Result<InputInfo, InputError> {
        let processor = Arc::clone(processor);
        let mut input = Inputs::new([path.clone()], processor, options.clone(), limits());
        let info = input.look_ahead().next().expect("one path is one input");
        known(info)
    };
    let infos: Vec<_> = paths.par_iter().map(probe).collect();
    Ok(infos.into_iter().collect::<Result<_, _>>()?)
}
