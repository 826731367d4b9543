//! Reading inputs in batches. The first input that fails stops the command.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use glm4v::devices::Backend;
use glm4v::pipeline::{Batches, InputError, InputInfo, Inputs, ReadBatch};
use glm4v::plan::{BatchLimits, Target};
use glm4v::preprocess::ReadOptions;
use glm4v::{FloatDType, Patches, Processor};
use indicatif::ProgressBar;

use crate::console::Console;
use crate::interrupt;
use crate::pipes::{self, Pipes};

/// Inputs that are read batch by batch, with a progress bar.
pub(crate) struct Reading<'a> {
    batches: Batches,
    /// Counts the inputs that are read.
    pub(crate) bar: ProgressBar,
    console: &'a Console,
    /// Videos from pipes exist as long as they are read.
    _pipes: Pipes,
}

/// The inputs of a batch, and their patch rows.
pub(crate) type Batch = (Vec<InputInfo>, Patches);

impl<'a> Reading<'a> {
    /// Reads `inputs`, of which there are `count`. Some may be `pipes`.
    pub(crate) fn new(inputs: Inputs, count: usize, pipes: Pipes, console: &'a Console) -> Self {
        Self {
            batches: Batches::new(inputs),
            bar: console.progress("reading", Some(count)),
            console,
            _pipes: pipes,
        }
    }

    /// The next batch; `None` after the last. Returns the error of the first input of the batch that cannot be read.
    pub(crate) fn next(&mut self) -> Result<Option<Batch>> {
        interrupt::check()?;
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

/// What is known of an input before it is decoded. It is closed again.
pub(crate) fn probe(
    input: &Path,
    processor: &Arc<Processor>,
    options: &ReadOptions,
) -> Result<InputInfo> {
    let (processor, source) = (Arc::clone(processor), pipes::source(input.to_owned()));
    let mut input = Inputs::new([source], processor, options.clone(), limits());
    let info = input.look_ahead().next().expect("one path is one input");
    Ok(known(info)?)
}
