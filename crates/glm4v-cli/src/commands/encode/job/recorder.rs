//! A thread stores the results of batches, and reports them.

use std::path::Path;
use std::sync::mpsc::Receiver;

use anyhow::{Context, Result, bail};
use glm4v::pipeline::{InputError, InputInfo};
use glm4v_collect::{Entry, Location};
use glm4v_store::{Encoded, Job, Record, StoreError, VideoInfo};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::super::skipped;
use super::fault;
use super::numbers::NumberedEntry;
use super::source::Hashes;
use crate::console::Console;
use crate::values::OnError;
use crate::{listing, table};

/// Failures that are printed without `-v`.
const SHOWN_FAILURES: usize = 10;

/// The inputs of a batch, and the embeddings of those that were encoded.
#[derive(Default)]
pub(super) struct EncodedBatch {
    pub(super) inputs: Vec<Result<InputInfo, InputError>>,
    pub(super) values: Vec<f32>,
}

/// What stores and counts results.
pub(super) struct Recorder<'a> {
    hashes: Hashes,
    /// `None`: inputs that fail are recorded. Failures of the machine stop the job.
    on_error: Option<OnError>,
    /// Whether the inputs get a second attempt.
    retries: bool,
    bar: ProgressBar,
    /// Inputs with values that are infinite or not a number.
    non_finite: usize,
    tokens: usize,
    failed: usize,
    /// Failures of the network and of servers among them.
    temporary: usize,
    /// Values of a token.
    width: usize,
    console: &'a Console,
}

impl<'a> Recorder<'a> {
    pub(super) const fn new(
        hashes: Hashes,
        on_error: Option<OnError>,
        bar: ProgressBar,
        width: usize,
        console: &'a Console,
    ) -> Self {
        Self {
            hashes,
            on_error,
            retries: false,
            bar,
            non_finite: 0,
            tokens: 0,
            failed: 0,
            temporary: 0,
            width,
            console,
        }
    }
}

impl Recorder<'_> {
    /// From here on, failed inputs get a second attempt. The others of the job are `done`.
    pub(super) fn start_retries(&mut self, done: usize) {
        self.retries = true;
        (self.failed, self.temporary) = (0, 0);
        self.bar.set_position(done as u64);
    }

    /// Stores the results of all batches. `entries` are their inputs.
    pub(super) fn record(
        &mut self,
        batches: Receiver<EncodedBatch>,
        mut entries: impl Iterator<Item = NumberedEntry>,
        job: &mut Job,
    ) -> Result<()> {
        for EncodedBatch { inputs, values } in batches {
            for result in self.results(inputs, &values) {
                let (number, entry) = entries.next().context("the list of inputs is too short")?;
                self.push(result?, number, &entry?, job)?;
            }
            self.show_counts();
            job.end_batch()?;
        }
        Ok(())
    }

    /// The result of each input of a batch, with its embeddings.
    fn results<'a>(
        &self,
        inputs: Vec<Result<InputInfo, InputError>>,
        values: &'a [f32],
    ) -> impl Iterator<Item = Result<InputResult<'a>>> + use<'a> {
        let width = self.width;
        let on_error = self.on_error;
        let mut rest = values;
        inputs.into_iter().map(move |input| {
            let (index, outcome) = match input {
                Ok(input) => {
                    let tokens = rest.split_off(..input.tokens * width);
                    let tokens = tokens.expect("one row for each token");
                    (input.index, Ok((input, tokens)))
                }
                Err(error) if on_error.is_none() && fault::is_of_machine(&error) => bail!(
                    "{error}; this is no fault of the input, so it is not recorded: mend it, or record such failures with \
                     --on-error skip"
                ),
                Err(error) => {
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
        mut result: InputResult<'_>,
        number: usize,
        entry: &Entry,
        job: &mut Job,
    ) -> Result<()> {
        if let Err((error, is_temporary)) = &result.outcome {
            self.temporary += usize::from(*is_temporary);
            self.failed(error)?;
        }
        let (retries, sha256) = (self.retries, self.hashes.take(result.index));
        let mut store = |outcome: Result<Encoded<'_>, &str>| {
            let record = Record {
                id: &entry.id,
                path: path(entry),
                sha256,
                outcome,
            };
            match retries {
                true => job.push_retried(number, &record),
                false => job.push(&record),
            }
        };
        let outcome = result.outcome.as_ref();
        let outcome = outcome.map(|(input, tokens)| encoded(input, tokens));
        match store(outcome.map_err(|(error, _)| &error[..])) {
            // The format cannot store it.
            Err(error @ StoreError::Record { .. }) => {
                let error = error.to_string();
                self.failed(&error)?;
                store(Err(&error))?;
                result.outcome = Err((error, false));
            }
            stored => stored?,
        }
        if let Ok((input, tokens)) = &result.outcome {
            self.count(input, tokens);
        }
        self.console.item(&item(entry, &result))?;
        self.bar.inc(1);
        Ok(())
    }

    fn count(&mut self, input: &InputInfo, tokens: &[f32]) {
        self.tokens += input.tokens;
        self.non_finite += usize::from(!tokens.iter().all(|value| value.is_finite()));
        for warning in &input.warnings {
            let warning = format!("{}: {warning}", input.name);
            self.bar.suspend(|| self.console.warning(&warning));
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
        let (console, text) = (self.console, format!("skipped: {error}"));
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
        let console = self.console;
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
