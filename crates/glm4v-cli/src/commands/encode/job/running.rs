//! The loop of a job: read a batch, and encode it. A thread records the batch before it.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, Result};
use glm4v::EncodeOptions;
use glm4v::pipeline::{Batches, ReadBatch};
use glm4v_store::{Job, Summary};

use super::super::cached::CachedEncoder;
use super::numbers::Numbers;
use super::recorder::{EncodedBatch, Recorder};
use crate::session::Session;
use crate::stages::Stages;
use crate::{interrupt, table};

/// A job that runs.
pub(super) struct Running<'a> {
    pub(super) encoder: CachedEncoder<'a>,
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
        } = self;
        let encode = |batch| encode(encoder, session, batch);
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
    mut encode: impl FnMut(ReadBatch) -> Result<EncodedBatch>,
    recorder: &SyncSender<EncodedBatch>,
    stages: &mut Stages,
) -> Result<()> {
    while let Some(batch) = stages.time("read", || batches.next()) {
        interrupt::check()?;
        let batch = stages.time("encode", || encode(batch))?;
        if stages.time("write", || recorder.send(batch)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Encodes a batch. Inputs that do not fit into the memory alone have an error. After any other failure the next batches would
/// fail too.
fn encode(
    encoder: &mut CachedEncoder<'_>,
    session: &Session<'_>,
    batch: ReadBatch,
) -> Result<EncodedBatch> {
    let (mut encoded, options) = (EncodedBatch::default(), EncodeOptions::default());
    for ReadBatch { patches, inputs } in encoder.fitting(batch, &options) {
        if !patches.spans().is_empty() {
            let values = encoder.encode(patches);
            let values = values.map_err(|error| session.explain(error))?;
            // Usually there is one part, whose values are not copied.
            match encoded.values.is_empty() {
                true => encoded.values = values,
                false => encoded.values.extend(values),
            }
        }
        encoded.inputs.extend(inputs);
    }
    Ok(encoded)
}
