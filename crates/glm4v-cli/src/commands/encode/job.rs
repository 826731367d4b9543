//! A job: many inputs, encoded into the shards of a directory. An interrupted job goes on where it was.

mod settings;
mod source;

use std::iter::Skip;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use glm4v::pipeline::{Batches, InputError, InputInfo, Inputs, ReadBatch};
use glm4v::{Error, Patches};
use glm4v_collect::{Entry, Location, MediaReader};
use glm4v_store::{
    Encoded, Job, OutputDtype, Pool, Record, Settings, ShardFormat, Split, StoredInputs, Summary,
    VideoInfo,
};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use self::source::{Hashes, entries, source};
use super::EncodeArgs;
use super::cached::{self, CachedEncoder};
use super::skipped;
use crate::console::Console;
use crate::pipes::Pipes;
use crate::reading::OnError;
use crate::session::Session;
use crate::stages::Stages;
use crate::values::{memory, named};
use crate::{failure, interrupt, listed, listing, table};

/// Failures that are printed without `-v`.
const SHOWN_FAILURES: usize = 10;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Jobs (-o DIR/)")]
pub(super) struct JobArgs {
    /// The format of the files in the directory [default: parquet]
    #[arg(long, value_parser = named(ShardFormat::ALL, |format| format.name()))]
    format: Option<ShardFormat>,
    /// The type of stored embeddings; bf16 for safetensors only [default: f32]
    #[arg(long, value_parser = named(OutputDtype::ALL, |dtype| dtype.name()))]
    output_dtype: Option<OutputDtype>,
    /// Store all tokens of an input (none), or one vector, their mean [default: none]
    #[arg(long, value_parser = named(Pool::ALL, |pool| pool.name()))]
    pool: Option<Pool>,
    /// The size of a file, about, in bytes or as 900M or 4G [default: 512M]
    #[arg(long, value_name = "BYTES", value_parser = memory)]
    shard_size: Option<u64>,
    /// Encode one of N shares of the inputs, as in 0/4. Each share needs a directory of its own
    #[arg(long, value_name = "I/N")]
    shard: Option<Split>,
}

impl JobArgs {
    /// The type of embeddings for another program. Fails if another option of jobs is given.
    pub(super) fn output_dtype_only(&self) -> Result<OutputDtype> {
        let others = Self {
            output_dtype: None,
            ..self.clone()
        };
        others.refuse()?;
        Ok(self.output_dtype.unwrap_or(OutputDtype::F32))
    }

    /// Fails if an option is given that only jobs have.
    pub(super) fn refuse(&self) -> Result<()> {
        let given = [
            ("--format", self.format.is_some()),
            ("--output-dtype", self.output_dtype.is_some()),
            ("--pool", self.pool.is_some()),
            ("--shard-size", self.shard_size.is_some()),
            ("--shard", self.shard.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => {
                bail!("{option} needs a directory for the output, as in -o embeddings/")
            }
            None => Ok(()),
        }
    }
}

/// Starts or resumes the job in `dir`. Returns the number of inputs that failed.
pub(super) fn run(args: &EncodeArgs, dir: &Path, console: &Console) -> Result<usize> {
    if args.extra.is_given() {
        bail!(
            "{}: extra outputs can be written to one .safetensors file only",
            dir.display()
        );
    }
    let session = Session::new(&args.compute, &args.inputs.read, console)?;
    let mut stages = Stages::default();
    let identity = stages.time("hash", || cached::identity(&session))?;
    let settings = settings::of(args, &session, &identity)?;
    let limits = settings::limits(&session)?;
    let entries = entries(&args.inputs, console)?;
    let mut job = stages.time("list", || Job::open(dir, &settings, entries))?;
    if job.is_empty() {
        job.discard()?;
        bail!(
            "the list of inputs, or this share of it, {}",
            listed::NOTHING
        );
    }
    if let Some(summary) = job.summary() {
        console.note("the job is complete; nothing was encoded");
        return report(&session, dir, summary, &settings, &stages);
    }
    let done = job.done();
    if done > 0 {
        console.note(&format!(
            "{done} of {} inputs are done; the job goes on",
            job.len()
        ));
    }
    let pipes = Pipes::for_fetched();
    let (hashes, reader) = (
        Hashes::default(),
        MediaReader::new(&listed::limits(&args.inputs.collect)),
    );
    let sources = {
        let hashes = hashes.clone();
        let stored = job.inputs::<Entry>()?.skip(done).enumerate();
        stored.map(move |(index, entry)| source(index, entry, &reader, &hashes))
    };
    let processor = Arc::clone(&session.processor);
    let read = pipes.options(session.read.clone());
    let mut inputs = Inputs::new(sources, processor, read, limits);
    if let Err(error) = stages.time("read", || settings::check_memory(&mut inputs, &session)) {
        // The next try may have other options.
        job.discard()?;
        return Err(error);
    }
    session.weights.announce(console);
    let encoder = stages.time("load", || session.load(limits))?;
    let mut running = Running {
        entries: job.inputs::<Entry>()?.skip(done),
        hashes,
        encoder: args.cached(&session, &encoder, identity)?,
        on_error: args.on_error.unwrap_or(OnError::Skip),
        bar: console.job_progress(job.len(), done),
        non_finite: 0,
        tokens: 0,
        failed: 0,
        session: &session,
    };
    let summary = running.run(Batches::new(inputs), &mut job, &mut stages);
    let summary = summary.with_context(|| {
        let dir = dir.display();
        format!("{dir}: the job is not complete; the same command goes on where it stopped")
    })?;
    running.finish();
    report(&session, dir, summary, &settings, &stages)
}

/// A job that runs.
struct Running<'a> {
    /// The entries of the inputs that come next.
    entries: Skip<StoredInputs<Entry>>,
    hashes: Hashes,
    encoder: CachedEncoder<'a>,
    on_error: OnError,
    bar: ProgressBar,
    /// Inputs with values that are infinite or not a number.
    non_finite: usize,
    tokens: usize,
    failed: usize,
    session: &'a Session<'a>,
}

impl Running<'_> {
    fn run(&mut self, mut batches: Batches, job: &mut Job, stages: &mut Stages) -> Result<Summary> {
        while let Some(batch) = stages.time("read", || batches.next()) {
            interrupt::check()?;
            let ReadBatch { patches, inputs } = batch;
            let values = stages.time("encode", || self.encode(patches))?;
            stages.time("write", || self.push(inputs, &values, job))?;
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
        match is_of_batch && self.on_error == OnError::Skip {
            true => Ok(Err(failure::line(&error))),
            false => Err(error),
        }
    }

    /// Stores the results of a batch.
    fn push(
        &mut self,
        inputs: Vec<Result<InputInfo, InputError>>,
        values: &Result<Vec<f32>, String>,
        job: &mut Job,
    ) -> Result<()> {
        let width = self.session.config.out_hidden_size;
        let mut rest = values.as_deref().unwrap_or_default();
        for input in inputs {
            let entry = self
                .entries
                .next()
                .context("the list of inputs is too short")??;
            let input = match (input, values) {
                (Ok(input), Ok(_)) => Ok(input),
                (Ok(input), Err(error)) => Err((input.index, error.clone())),
                (Err(error), _) => Err((error.index, error.to_string())),
            };
            let index = input
                .as_ref()
                .map_or_else(|(index, _)| *index, |input| input.index);
            let outcome = match &input {
                Ok(input) => {
                    let tokens = rest.split_off(..input.tokens * width);
                    let tokens = tokens.expect("one row for each token");
                    self.count(input, tokens);
                    Ok(encoded(input, tokens))
                }
                Err((_, error)) => {
                    self.failed(error)?;
                    Err(&error[..])
                }
            };
            job.push(&Record {
                id: &entry.id,
                path: path(&entry),
                sha256: self.hashes.take(index),
                outcome,
            })?;
            self.session.console.item(&item(&entry, &input))?;
            self.bar.inc(1);
        }
        self.show_counts();
        Ok(job.end_batch()?)
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
        if self.on_error == OnError::Stop {
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

    fn finish(self) {
        let console = self.session.console;
        self.bar.finish_and_clear();
        if self.non_finite > 0 {
            let inputs = table::count(self.non_finite, "input");
            console.warning(&format!(
                "the values of {inputs} are in part infinite or not a number"
            ));
        }
        if self.encoder.cache.is_some() {
            let hits = table::count(self.encoder.hits, "input");
            console.detail(&format!("{hits} came from the cache"));
        }
    }
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

/// The file, or the name of an input that is none.
fn path(entry: &Entry) -> &Path {
    match &entry.location {
        Location::Path(path) | Location::FrameFolder(path) => path,
        Location::TarMember { .. } | Location::Url(_) | Location::Data(_) => Path::new(&entry.name),
    }
}

fn item(entry: &Entry, input: &Result<InputInfo, (usize, String)>) -> Value {
    let mut item = match input {
        Ok(input) => listing::input_json(input),
        Err((_, error)) => json!({"file": entry.name, "error": error}),
    };
    item["id"] = entry.id.clone().into();
    item
}

/// Reports a complete job. Returns the number of inputs that failed.
fn report(
    session: &Session<'_>,
    dir: &Path,
    summary: Summary,
    settings: &Settings,
    stages: &Stages,
) -> Result<usize> {
    let Summary {
        inputs,
        encoded,
        failed,
        tokens,
        shards: num_shards,
    } = summary;
    let shards = table::count(num_shards, "shard");
    let total = format!(
        "{encoded} of {}, {}{}",
        table::count(inputs, "input"),
        table::count(tokens, "token"),
        skipped(failed)
    );
    let (format, dtype) = (settings.format, settings.output_dtype);
    let pairs = table::pairs(&[
        ("total", total),
        ("weights", session.weights.to_string()),
        (
            "computed",
            format!("in {} on {}", settings.dtype, session.devices),
        ),
        ("time", stages.to_string()),
        (
            "written",
            format!("{shards} in {}, {format} {dtype}", dir.display()),
        ),
    ]);
    let json = json!({
        "total": {"inputs": inputs, "encoded": encoded, "failed": failed, "tokens": tokens, "shards": num_shards},
        "weights": session.weights.json(),
        "dtype": settings.dtype,
        "device": session.devices.json(),
        "seconds": stages.json(),
        "output": dir.to_string_lossy(),
    });
    session.console.report(&pairs, &json)?;
    Ok(failed)
}
