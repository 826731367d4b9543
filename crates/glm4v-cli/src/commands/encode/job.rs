//! A job: many inputs, encoded into the shards of a directory. An interrupted job goes on where it was.

mod fault;
mod numbers;
mod recorder;
mod running;
mod settings;
mod source;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use glm4v::pipeline::Batches;
use glm4v_collect::MediaReader;
use glm4v_store::{Job, OutputDtype, Pool, Settings, ShardFormat, Split, StoreError, Summary};
use serde_json::json;

use self::numbers::{Numbers, Reader};
use self::recorder::Recorder;
use self::running::Running;
use self::source::{Hashes, entries};
use super::EncodeArgs;
use super::cached;
use super::skipped;
use crate::console::Console;
use crate::failure::misuse;
use crate::pipes::Pipes;
use crate::session::Session;
use crate::stages::Stages;
use crate::values::{memory, named};
use crate::{failure, interrupt, listed, table};

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
    /// Encode only every N-th input, from input I on, counted from 0. Each of the N commands, 0/N to (N-1)/N, needs a
    /// directory of its own
    #[arg(long, value_name = "I/N")]
    shard: Option<Split>,
    /// Go on with the job in the directory, with the list of inputs that it was started with
    #[arg(long, conflicts_with_all = ["inputs", "files_from", "manifest"])]
    resume: bool,
    /// Try inputs again that failed. Those that succeed get rows in further files
    #[arg(long)]
    retry_failed: bool,
}

impl JobArgs {
    /// The type of embeddings for another program. Fails with `advice` if another option of jobs is given.
    pub(super) fn output_dtype_only(&self, advice: &str) -> Result<OutputDtype> {
        let others = Self {
            output_dtype: None,
            ..self.clone()
        };
        others.refuse(advice)?;
        Ok(self.output_dtype.unwrap_or(OutputDtype::F32))
    }

    /// Fails with `advice` if an option is given that only jobs have.
    pub(super) fn refuse(&self, advice: &str) -> Result<()> {
        let given = [
            ("--format", self.format.is_some()),
            ("--output-dtype", self.output_dtype.is_some()),
            ("--pool", self.pool.is_some()),
            ("--shard-size", self.shard_size.is_some()),
            ("--shard", self.shard.is_some()),
            ("--resume", self.resume),
            ("--retry-failed", self.retry_failed),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(misuse(format!("{option} {advice}"))),
            None => Ok(()),
        }
    }
}

/// Starts or resumes the job in `dir`. Returns the number of inputs that failed.
pub(super) fn run(args: &EncodeArgs, dir: &Path, console: &Console) -> Result<usize> {
    if args.extra.is_given() {
        let dir = dir.display();
        return Err(misuse(format!(
            "{dir}: extra outputs can be written to one .safetensors file only"
        )));
    }
    let session = Session::new(&args.compute, &args.inputs.read, console)?;
    let mut stages = Stages::default();
    let identity = stages.time("hash", || cached::identity(&session))?;
    let settings = settings::of(args, &session, &identity)?;
    let mut job = stages.time("list", || open(args, dir, &settings, console))?;
    if job.is_empty() {
        job.discard()?;
        bail!(
            "the list of inputs, or this share of it, {}",
            listed::NOTHING
        );
    }
    let retries = args.job.retry_failed;
    let was_complete = job.summary().is_some();
    let first = Arc::new(match job.summary() {
        None => Numbers::From(job.done()),
        Some(_) if retries && !job.failed().is_empty() => Numbers::failed(&job),
        Some(summary) => {
            console.note("the job is complete; nothing was encoded");
            return report(&session, dir, summary, &settings, &stages);
        }
    });
    first.announce(&job, console);
    let reader = Reader {
        session: &session,
        media: MediaReader::new(&listed::limits(&args.inputs.collect)),
        pipes: Pipes::for_fetched(),
        limits: settings::limits(&session)?,
        hashes: Hashes::default(),
    };
    let mut inputs = reader.inputs(&job, &first)?;
    if let Err(error) = stages.time("read", || settings::check_memory(&mut inputs, &session)) {
        // The next try may have other options. This command has no list to start it with.
        if !args.job.resume {
            job.discard()?;
        }
        return Err(error);
    }
    session.weights.announce(console);
    let encoder = stages.time("load", || session.load(reader.limits))?;
    let mut running = Running {
        encoder: args.cached(&session, &encoder, identity)?,
        recorder: Recorder::new(
            reader.hashes.clone(),
            args.on_error,
            console.job_progress(job.len(), job.done()),
            session.config.out_hidden_size,
            console,
        ),
        session: &session,
    };
    let mut run = |inputs, numbers: &Arc<Numbers>, job: &mut Job| {
        let summary = running.run(Batches::new(inputs), numbers, job, &mut stages);
        summary.map_err(|error| incomplete(error, job, console))
    };
    let mut summary = run(inputs, &first, &mut job)?;
    if retries && !was_complete && summary.failed > 0 {
        let numbers = Arc::new(Numbers::failed(&job));
        numbers.announce(&job, console);
        let inputs = reader.inputs(&job, &numbers)?;
        summary = run(inputs, &numbers, &mut job)?;
    }
    running.finish();
    report(&session, dir, summary, &settings, &stages)
}

/// Opens the job with its stored list, or with the inputs that the command line names.
fn open(args: &EncodeArgs, dir: &Path, settings: &Settings, console: &Console) -> Result<Job> {
    if args.job.resume {
        return Ok(Job::resume(dir, settings)?);
    }
    let entries = entries(&args.inputs, args.on_error, console)?;
    Job::open(dir, settings, entries).map_err(|error| match error {
        StoreError::OtherInputs { .. } => {
            anyhow!("{error}: --resume without inputs goes on with the stored list")
        }
        StoreError::Settings { .. } => misuse(error.to_string()),
        error => error.into(),
    })
}

/// Tells what remains of a job that stops.
fn incomplete(error: anyhow::Error, job: &Job, console: &Console) -> anyhow::Error {
    if interrupt::signal().is_some() {
        let (done, all) = (job.done(), job.len());
        console.note(&format!(
            "{done} of {all} inputs are stored; the same command goes on where it stopped"
        ));
        return error;
    }
    let line = failure::line(&error);
    anyhow!("{line}; the job is not complete, and the same command goes on where it stopped")
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
