use std::sync::Arc;

use anyhow::Result;
use glm4v::cached::{self, Identity};
use glm4v::pipeline::ReadBatch;
use glm4v::{EncodeOptions, Error, Patches, VisionEncoder};
use glm4v_store::{EmbeddingCache, Key};

use crate::console::Console;
use crate::interrupt;
use crate::session::Session;

/// An encoder that looks into a cache first.
pub(super) struct CachedEncoder<'a> {
    pub(super) encoder: &'a VisionEncoder,
    pub(super) cache: Option<Arc<EmbeddingCache>>,
    pub(super) identity: Identity,
    /// The inputs whose embeddings the cache had.
    pub(super) hits: usize,
    pub(super) console: &'a Console,
}

/// That of the tower that a command loads. All its bytes are read.
pub(super) fn identity(session: &Session<'_>) -> Result<Identity> {
    let dtype = session.compute.device.dtype;
    let fingerprint = session.weights.fingerprint(&session.config)?;
    Ok(Identity::new(&fingerprint, dtype, session.target()?.mode))
}

impl<'a> CachedEncoder<'a> {
    /// The batch if it fits into the memory, or else its inputs one by one. Those that do not fit alone are errors, unless the
    /// cache has them.
    pub(super) fn fitting<'b>(
        &self,
        batch: ReadBatch,
        options: &'b EncodeOptions,
    ) -> impl Iterator<Item = ReadBatch> + use<'a, 'b>
    where
        'a: 'b,
    {
        let (cache, identity) = (self.cache.clone(), self.identity.clone());
        let is_known = move |patches: &Patches| {
            let has = |cache: &Arc<EmbeddingCache>| {
                let keys = identity.keys(patches);
                keys.iter().all(|key| cache.get(key).is_some())
            };
            cache.as_ref().is_some_and(has)
        };
        self.encoder.fitting(batch, options, is_known)
    }
}

impl CachedEncoder<'_> {
    /// The embeddings of a batch, input by input. Inputs that the cache has, and those that repeat an earlier one, do not run
    /// the tower.
    pub(super) fn encode(&mut self, patches: Patches) -> Result<Vec<f32>, Error> {
        // Without a cache there is no need to hash the rows.
        let keys = match self.cache {
            Some(_) => self.identity.keys(&patches),
            None => Vec::new(),
        };
        self.encode_keyed(patches, &keys)
    }

    /// [`CachedEncoder::encode`] for inputs whose keys are known.
    pub(super) fn encode_keyed(
        &mut self,
        patches: Patches,
        keys: &[Key],
    ) -> Result<Vec<f32>, Error> {
        let run = |patches: &Patches| encode(self.encoder, patches);
        let Some(cache) = &self.cache else {
            return run(&patches);
        };
        let batch = cached::encode(self.encoder, cache, keys, patches, run)?;
        self.hits += batch.hits;
        if let Some(warning) = batch.warning {
            self.console.warning(&warning.to_string());
        }
        Ok(batch.values)
    }
}

/// The embeddings of a batch, until a signal stops it.
fn encode(encoder: &VisionEncoder, patches: &Patches) -> Result<Vec<f32>, Error> {
    // Only a read shows how long a GPU took, and whether it failed.
    match encoder.devices().count() {
        1 => {
            let options = EncodeOptions {
                cancel: Some(interrupt::token()),
                ..EncodeOptions::default()
            };
            encoder
                .encode_with(patches, &options)?
                .embeddings
                .into_values()
        }
        // They would gather the embeddings on one device first.
        _ => encoder.encode_values(patches),
    }
}
