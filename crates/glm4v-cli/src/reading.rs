//! Reading inputs in batches. The first input that fails stops the command, unless failures are skipped.

use anyhow::Result;
use glm4v::devices::Backend;
use glm4v::pipeline::{Batches, InputError, InputInfo, Inputs, ReadBatch};
use glm4v::plan::{BatchLimits, Target};
use glm4v::{FloatDType, Patches};
use indicatif::ProgressBar;

use crate::console::Console;
use crate::interrupt;
use crate::pipes::Pipes;
use crate::values::OnError;

/// Inputs that are read batch by batch, with a progress bar.
pub(crate) struct Reading<'a> {
    batches: Batches,
    /// Counts the inputs that are read.
    pub(crate) bar: ProgressBar,
    console: &'a Console,
    on_error: OnError,
    /// Inputs that failed and were skipped.
    pub(crate) failed: usize,
    /// Videos from pipes exist as long as they are read.
    _pipes: Pipes,
}

/// The inputs of a batch, and their patch rows.
pub(crate) type Batch = (Vec<InputInfo>, Patches);

impl<'a> Reading<'a> {
    /// Reads `inputs`, of which there are `count`. Some may be `pipes`.
    pub(crate) fn new(inputs: Inputs, count: usize, pipes: Pipes, console: &'a Console) -> Self {
        Self {
            on_error: OnError::Stop,
            failed: 0,
            batches: Batches::new(inputs),
            bar: console.progress("reading", Some(count)),
            console,
            _pipes: pipes,
        }
    }

    /// With [`OnError::Skip`] inputs that fail are reported, and are not in the batches.
    pub(crate) fn on_error(self, on_error: OnError) -> Self {
        Self { on_error, ..self }
    }

    /// The next batch; `None` after the last. Returns the error of the first input of the batch that cannot be read. If
    /// failures are skipped, a batch can be empty.
    pub(crate) fn next(&mut self) -> Result<Option<Batch>> {
        interrupt::check()?;
        let Some(ReadBatch { patches, inputs }) = self.batches.next() else {
            return Ok(None);
        };
        self.bar.inc(inputs.len() as u64);
        let read = self.successes(inputs)?;
        for input in &read {
            for warning in &input.warnings {
                self.console.warning(&format!("{}: {warning}", input.name));
            }
        }
        Ok(Some((read, patches)))
    }

    /// A batch that was read, as the encoder takes it.
    pub(crate) fn unread((inputs, patches): Batch) -> ReadBatch {
        let inputs = inputs.into_iter().map(Ok).collect();
        ReadBatch { patches, inputs }
    }

    /// The inputs of a part of a batch that did not fit into the memory, without those that do not fit alone.
    pub(crate) fn accept(&mut self, part: ReadBatch) -> Result<Batch> {
        Ok((self.successes(part.inputs)?, part.patches))
    }

    fn successes(&mut self, inputs: Vec<Result<InputInfo, InputError>>) -> Result<Vec<InputInfo>> {
        let mut successes = Vec::with_capacity(inputs.len());
        for input in inputs {
            match (input, self.on_error) {
                (Ok(input), _) => successes.push(input),
                (Err(error), OnError::Stop) => return Err(error.into()),
                (Err(error), OnError::Skip) => {
                    self.failed += 1;
                    self.console.warning(&format!("skipped: {error}"));
                }
            }
        }
        Ok(successes)
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
