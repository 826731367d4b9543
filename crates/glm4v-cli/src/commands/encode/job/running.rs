//! The loop of a job: read a batch, and encode it. A thread records the batch before it.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, Result};
use glm4v::pipeline::{Batches, ReadBatch};
use glm4v::{Error, Patches};
use glm4v_store::{Job, Summary};

use super::super::cached::CachedEncoder;
use super::numbers::Numbers;
use super::recorder::{EncodedBatch, Recorder};
use crate::session::Session;
use crate::stages::Stages;
use crate::values::OnError;
use crate::{failure, interrupt, table};

/// A job that runs.
pub(super) struct Running<'a> {
    pub(super) encoder: CachedEncoder<'a>,
    pub(super) on_error: Option<OnError>,
    pub(super) recorder: Recorder<'a>,
    pub(super) session: &'a Session<'a>,
}

impl Running<'_> {
    /// Encodes the inputs with these numbers.
    pub(super) fn run(
        &mut self,
        batches: Batches,
        numbers: &Arc<Numbers>,
        job: &mut Job,
        stages: &mut Stages,
    ) -> Result<Summary> {
        let entries = numbers.of(job)?;
        if let Numbers::Failed(failed) = &**numbers {
            job.retry()?;
            self.recorder.start_retries(job.len() - failed.len());
        }
        let Self {
            encoder,
            recorder,
            session,
            on_error,
        } = self;
        let encode = |patches| encode(encoder, *on_error, session, patches);
        thread::scope(|scope| {
            // A device must not wait for the disk. One batch waits for it at most.
            let (sender, encoded) = sync_channel(0);
            let record = || recorder.record(encoded, entries, job);
            let thread = thread::Builder::new().name("recorder".into());
            let thread = thread
                .spawn_scoped(scope, record)
                .context("cannot start a thread")?;
            let read = read_and_encode(batches, encode, &sender, stages);
            drop(sender);
            let recorded = stages.time("write", || thread.join());
            recorded.unwrap_or_else(|panic| resume_unwind(panic))?;
            read
        })?;
        stages.time("write", || Ok(job.finish()?))
    }

    /// Tells what the results do not show.
    pub(super) fn finish(self) {
        self.recorder.finish();
        if self.encoder.cache.is_some() {
            let hits = table::count(self.encoder.hits, "input");
            self.session
                .console
                .detail(&format!("{hits} came from the cache"));
        }
    }
}

/// Hands all batches to the recorder, until it hangs up because of an error.
fn read_and_encode(
    mut batches: Batches,
    mut encode: impl FnMut(Patches) -> Result<Result<Vec<f32>, String>>,
    recorder: &SyncSender<EncodedBatch>,
    stages: &mut Stages,
) -> Result<()> {
    while let Some(batch) = stages.time("read", || batches.next()) {
        interrupt::check()?;
        let ReadBatch { patches, inputs } = batch;
        let values = stages.time("encode", || encode(patches))?;
        let batch = EncodedBatch { inputs, values };
        if stages.time("write", || recorder.send(batch)).is_err() {
            break;
        }
    }
    Ok(())
}

/// The embeddings of a batch, or why its inputs have none.
fn encode(
    encoder: &mut CachedEncoder<'_>,
    on_error: Option<OnError>,
    session: &Session<'_>,
    patches: Patches,
) -> Result<Result<Vec<f32>, String>> {
    if patches.spans().is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let error = match encoder.encode(patches) {
        Ok(values) => return Ok(Ok(values)),
        Err(error) => error,
    };
    // A smaller batch may fit. After any other failure the next batches would fail too.
    let is_of_batch = matches!(error, Error::Memory { .. } | Error::Buffer { .. });
    let error = session.explain(error);
    match is_of_batch && on_error != Some(OnError::Stop) {
        true => Ok(Err(failure::line(&error))),
        false => Err(error),
    }
}
