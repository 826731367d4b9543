//! Embeddings by the content of their inputs: a cache, and names for other programs.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use glm4v::cached::{self, CachedBatch, Identity};
use glm4v::pipeline::{InputInfo, ReadBatch};
use glm4v::store::{EmbeddingCache, Key, StoreError};
use glm4v::weights::{Checkpoint, Fingerprint};
use glm4v::{CancelToken, ComputeType, EncodeOptions, Error, InputError, Patches, VisionEncoder};
use pyo3::prelude::*;

use crate::encoded::Encoded;
use crate::options::Origin;

/// Where an encoder keeps embeddings.
#[derive(Clone, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Keep {
    cache: Option<PathBuf>,
    cache_size: u64,
}

/// What names the embeddings of an encoder, and where they are kept.
pub(crate) struct Content {
    weights: Origin,
    dtype: ComputeType,
    cache: Option<EmbeddingCache>,
    /// Finding it reads all weights, so that is done when the first name is needed.
    identity: OnceLock<Identity>,
}

/// A batch, input by input, and a warning for the user.
pub(crate) type Batch = (Vec<Result<Encoded, InputError>>, Option<String>);

impl Keep {
    pub(crate) fn open(&self) -> Result<Option<EmbeddingCache>, StoreError> {
        let open = |dir: &PathBuf| EmbeddingCache::open(dir, self.cache_size);
        self.cache.as_ref().map(open).transpose()
    }
}

impl Content {
    pub(crate) fn new(weights: Origin, dtype: ComputeType, cache: Option<EmbeddingCache>) -> Self {
        Self {
            weights,
            dtype,
            cache,
            identity: OnceLock::new(),
        }
    }

    pub(crate) fn has_cache(&self) -> bool {
        self.cache.is_some()
    }

    /// Encodes a batch. Each input has its name.
    pub(crate) fn encode(
        &self,
        encoder: &VisionEncoder,
        batch: ReadBatch,
        cancel: &CancelToken,
    ) -> Batch {
        let identity = match self.identity(encoder) {
            Ok(identity) => identity,
            Err(error) => return (failed(batch.inputs, &Arc::new(error)), None),
        };
        let Some(cache) = &self.cache else {
            let keys = identity.keys(&batch.patches);
            return (named(encoder, batch, &keys, cancel), None);
        };
        let (mut items, mut warning) = (Vec::new(), None);
        let is_known = |patches: &Patches| {
            let keys = identity.keys(patches);
            keys.iter().all(|key| cache.get(key).is_some())
        };
        for part in encoder.fitting(batch, &EncodeOptions::default(), is_known) {
            let keys = identity.keys(&part.patches);
            let (encoded, warned) = from_cache(encoder, cache, part, &keys, cancel);
            items.extend(encoded);
            warning = warning.or(warned);
        }
        (items, warning)
    }

    fn identity(&self, encoder: &VisionEncoder) -> Result<&Identity, Error> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity);
        }
        let fingerprint = match &self.weights {
            Origin::Preset(preset, seed) => Fingerprint::random(*preset, *seed),
            Origin::Local(path) => {
                // It must be the fingerprint of the weights in memory.
                let loaded = encoder.file_states().expect("it was loaded from files");
                Checkpoint::open(path)?.fingerprint_of(loaded, encoder.config())?
            }
        };
        let identity = Identity::new(&fingerprint, self.dtype, encoder.target().mode);
        Ok(self.identity.get_or_init(|| identity))
    }
}

/// Encodes a batch without a cache.
fn named(
    encoder: &VisionEncoder,
    batch: ReadBatch,
    keys: &[Key],
    cancel: &CancelToken,
) -> Vec<Result<Encoded, InputError>> {
    let mut keys = keys.iter();
    let inputs = batch.inputs.iter();
    let uuids: Vec<_> = inputs
        .map(|input| {
            input
                .as_ref()
                .ok()
                .and_then(|_| keys.next())
                .map(cached::uuid)
        })
        .collect();
    let items = encoder.encode_batch(batch, Some(cancel)).into_iter();
    items
        .zip(uuids)
        .map(|(item, uuid)| Encoded::new(item?, encoder, uuid))
        .collect()
}

/// Encodes what the cache does not have.
fn from_cache(
    encoder: &VisionEncoder,
    cache: &EmbeddingCache,
    batch: ReadBatch,
    keys: &[Key],
    cancel: &CancelToken,
) -> Batch {
    let ReadBatch { patches, inputs } = batch;
    let run = |patches: &Patches| {
        let options = EncodeOptions {
            cancel: Some(cancel.clone()),
            ..EncodeOptions::default()
        };
        let output = encoder.encode_with(patches, &options)?;
        output.embeddings.into_values()
    };
    let CachedBatch {
        values, warning, ..
    } = match cached::encode(encoder, cache, keys, patches, run) {
        Ok(batch) => batch,
        Err(error) => return (failed(inputs, &Arc::new(error)), None),
    };
    let width = encoder.config().out_hidden_size;
    let (mut keys, mut rest) = (keys.iter(), &values[..]);
    let mut encoded = |input: InputInfo| {
        let values = rest.split_off(..input.tokens * width);
        let values = values.expect("one row for each token").to_vec();
        Encoded::of_values(input, values, width, keys.next().map(cached::uuid))
    };
    let inputs = inputs.into_iter();
    let items = inputs.map(|input| Ok(encoded(input?))).collect();
    (items, warning.map(|warning| warning.to_string()))
}

/// The error of a whole batch, as that of each of its inputs.
fn failed(
    inputs: Vec<Result<InputInfo, InputError>>,
    error: &Arc<Error>,
) -> Vec<Result<Encoded, InputError>> {
    let of_input = |input: InputInfo| InputError {
        index: input.index,
        name: input.name,
        source: Arc::clone(error),
    };
    let inputs = inputs.into_iter();
    inputs.map(|input| Err(of_input(input?))).collect()
}
