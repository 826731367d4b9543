//! The loop of a job: read a batch, encode it, store it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use glm4v::pipeline::{Batches, InputError, InputInfo, ReadBatch};
use glm4v::{Error, Patches};
use glm4v_collect::{Entry, Location};
use glm4v_store::{Encoded, Job, Record, StoreError, Summary, VideoInfo};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::super::cached::CachedEncoder;
use super::super::skipped;
use super::fault;
use super::numbers::Numbers;
use super::source::Hashes;
use crate::session::Session;
use crate::stages::Stages;
use crate::values::OnError;
use crate::{failure, interrupt, listing, table};

/// Failures that are printed without `-v`.
const SHOWN_FAILURES: usize = 10;

/// A job that runs.
pub(super) struct Running<'a> {
    pub(super) hashes: Hashes,
    pub(super) encoder: CachedEncoder<'a>,
    /// `None`: inputs that fail are recorded. Failures of the machine stop the job.
    pub(super) on_error: Option<OnError>,
    /// Whether the inputs get a second attempt.
    pub(super) retries: bool,
    pub(super) bar: ProgressBar,
    /// Inputs with values that are infinite or not a number.
    pub(super) non_finite: usize,
    pub(super) tokens: usize,
    pub(super) failed: usize,
    /// Failures of the network and of servers among them.
    pub(super) temporary: usize,
    pub(super) session: &'a Session<'a>,
}

impl Running<'_> {
    /// Encodes the inputs with these numbers.
    pub(super) fn run(
        &mut self,
        mut batches: Batches,
        numbers: &Arc<Numbers>,
        job: &mut Job,
        stages: &mut Stages,
    ) -> Result<Summary> {
        let mut entries = numbers.of(job)?;
        if let Numbers::Failed(failed) = &**numbers {
            job.retry()?;
            self.retries = true;
            (self.failed, self.temporary) = (0, 0);
            self.bar.set_position((job.len() - failed.len()) as u64);
        }
        while let Some(batch) = stages.time("read", || batches.next()) {
            interrupt::check()?;
            let ReadBatch { patches, inputs } = batch;
            let values = stages.time("encode", || self.encode(patches))?;
            stages.time("write", || {
                for result in self.results(inputs, &values) {
                    let (number, entry) =
                        entries.next().context("the list of inputs is too short")?;
                    self.push(result?, number, &entry?, job)?;
                }
                self.show_counts();
                Ok::<_, anyhow::Error>(job.end_batch()?)
            })?;
        }
        stages.time("write", || Ok(job.finish()?))
    }

    /// The embeddings of a batch, or why its inputs have none.
    fn encode(&mut self, patches: Patches) -> Result<Result<Vec<f32>, String>> {
        if patches.spans().is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let error = match self.encoder.encode(patches) {
            Ok(values) => return Ok(Ok(values)),
            Err(error) => error,
        };
        // A smaller batch may fit. After any other failure the next batches would fail too.
        let is_of_batch = matches!(error, Error::Memory { .. } | Error::Buffer { .. });
        let error = self.session.explain(error);
        match is_of_batch && self.on_error != Some(OnError::Stop) {
            true => Ok(Err(failure::line(&error))),
            false => Err(error),
        }
    }

    /// The result of each input of a batch, with its embeddings.
    fn results<'a>(
        &self,
        inputs: Vec<Result<InputInfo, InputError>>,
        values: &'a Result<Vec<f32>, String>,
    ) -> impl Iterator<Item = Result<InputResult<'a>>> + use<'a> {
        let width = self.session.config.out_hidden_size;
        let on_error = self.on_error;
        let mut rest = values.as_deref().unwrap_or_default();
        inputs.into_iter().map(move |input| {
            let (index, outcome) = match (input, values) {
                (Ok(input), Ok(_)) => {
                    let tokens = rest.split_off(..input.tokens * width);
                    let tokens = tokens.expect("one row for each token");
                    (input.index, Ok((input, tokens)))
                }
                (Ok(input), Err(error)) => (input.index, Err((error.clone(), false))),
                (Err(error), _) if on_error.is_none() && fault::is_of_machine(&error) => bail!(
                    "{error}; this is no fault of the input, so it is not recorded: mend it, or record such failures with \
                     --on-error skip"
                ),
                (Err(error), _) => {
                    let is_temporary = fault::is_temporary(&error);
                    (error.index, Err((error.to_string(), is_temporary)))
                }
            };
            Ok(InputResult { index, outcome })
        })
    }

    /// Stores the result of an input.
    fn push(
        &mut self,
        result: InputResult<'_>,
        number: usize,
        entry: &Entry,
        job: &mut Job,
    ) -> Result<()> {
        let outcome = match &result.outcome {
            Ok((input, tokens)) => {
                self.count(input, tokens);
                Ok(encoded(input, tokens))
            }
            Err((error, is_temporary)) => {
                self.temporary += usize::from(*is_temporary);
                self.failed(error)?;
                Err(&error[..])
            }
        };
        let record = Record {
            id: &entry.id,
            path: path(entry),
            sha256: self.hashes.take(result.index),
            outcome,
        };
        let stored = match self.retries {
            true => job.push_retried(number, &record),
            false => job.push(&record),
        };
        if let Err(error @ StoreError::Record { .. }) = &stored
            && !self.retries
        {
            // The format cannot store it.
            let error = error.to_string();
            self.failed(&error)?;
            job.push(&Record {
                outcome: Err(&error),
                ..record
            })?;
        } else {
            stored?;
        }
        self.session.console.item(&item(entry, &result))?;
        self.bar.inc(1);
        Ok(())
    }

    fn count(&mut self, input: &InputInfo, tokens: &[f32]) {
        self.tokens += input.tokens;
        self.non_finite += usize::from(!tokens.iter().all(|value| value.is_finite()));
        for warning in &input.warnings {
            let warning = format!("{}: {warning}", input.name);
            self.bar.suspend(|| self.session.console.warning(&warning));
        }
    }

    /// Reports an input that failed, and stops if the command line says so.
    fn failed(&mut self, error: &str) -> Result<()> {
        if self.on_error == Some(OnError::Stop) {
            bail!("{error}");
        }
        self.failed += 1;
        self.bar.suspend(|| self.report_failure(error));
        Ok(())
    }

    fn report_failure(&self, error: &str) {
        let (console, text) = (self.session.console, format!("skipped: {error}"));
        if self.failed <= SHOWN_FAILURES {
            return console.warning(&text);
        }
        if self.failed == SHOWN_FAILURES + 1 {
            console.note("further failures are in the results only; -v prints them");
        }
        console.detail(&text);
    }

    fn show_counts(&self) {
        let tokens = table::count(self.tokens, "token");
        let failed = skipped(self.failed);
        self.bar.set_message(format!(", {tokens}{failed}"));
    }

    /// Tells what the results do not show.
    pub(super) fn finish(self) {
        let console = self.session.console;
        self.bar.finish_and_clear();
        if self.non_finite > 0 {
            let inputs = table::count(self.non_finite, "input");
            console.warning(&format!(
                "the values of {inputs} are in part infinite or not a number"
            ));
        }
        if self.temporary > 0 {
            let failures = table::count(self.temporary, "failure");
            console.note(&format!(
                "{failures} may be temporary, because a server or the network failed; the same command with --retry-failed \
                 tries failed inputs again"
            ));
        }
        if self.encoder.cache.is_some() {
            let hits = table::count(self.encoder.hits, "input");
            console.detail(&format!("{hits} came from the cache"));
        }
    }
}

/// What became of an input.
struct InputResult<'a> {
    /// The place of the input among those that are read.
    index: usize,
    /// The embeddings; or an error, and whether it may be temporary.
    outcome: Result<(InputInfo, &'a [f32]), (String, bool)>,
}

fn encoded<'a>(input: &'a InputInfo, tokens: &'a [f32]) -> Encoded<'a> {
    let video = input.frames.as_ref().map(|frames| VideoInfo {
        indices: &frames.indices,
        timestamps: &frames.timestamps,
        fps: frames.metadata.fps,
        duration: frames.metadata.duration,
        total_frames: Some(frames.metadata.num_frames),
    });
    Encoded {
        grid: input.grid,
        tokens,
        video,
    }
}

/// The file, or the name of an input that is not a file.
fn path(entry: &Entry) -> &Path {
    match &entry.location {
        Location::Path(path) | Location::FrameFolder(path) => path,
        Location::TarMember { .. } | Location::Url(_) | Location::Data(_) | Location::Failed(_) => {
            Path::new(&entry.name)
        }
    }
}

fn item(entry: &Entry, result: &InputResult<'_>) -> Value {
    let mut item = match &result.outcome {
        Ok((input, _)) => listing::input_json(input),
        Err((error, _)) => json!({"file": entry.name, "error": error}),
    };
    item["id"] = entry.id.clone().into();
    item
}
