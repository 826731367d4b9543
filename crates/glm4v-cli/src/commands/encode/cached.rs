use std::collections::HashMap;

use anyhow::Result;
use glm4v::config::PatchKind;
use glm4v::{EncodeOptions, Error, GridThw, Patches, VisionEncoder};
use glm4v_store::{EmbeddingCache, Key, KeyParts};

use crate::console::Console;
use crate::interrupt;
use crate::session::Session;

/// An encoder that looks into a cache first.
pub(super) struct CachedEncoder<'a> {
    pub(super) encoder: &'a VisionEncoder,
    pub(super) cache: Option<EmbeddingCache>,
    pub(super) identity: Identity,
    /// The inputs whose embeddings the cache had.
    pub(super) hits: usize,
    pub(super) console: &'a Console,
}

/// What embeddings depend on, besides their patch rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    pub(super) fingerprint: String,
    pub(super) dtype: String,
    pub(super) kernels: String,
}

impl Identity {
    /// That of the tower that a command loads. All its bytes are read.
    pub(super) fn of(session: &Session<'_>) -> Result<Self> {
        let dtype = session.compute.device.dtype;
        Ok(Self {
            fingerprint: session.weights.fingerprint(&session.config)?.to_string(),
            dtype: dtype.to_string(),
            kernels: session.devices.target(dtype)?.mode.kernels(),
        })
    }

    /// The key of each input of a batch.
    pub(super) fn keys(&self, patches: &Patches) -> Vec<Key> {
        let key = |span: glm4v::preprocess::SpanRows<'_>| {
            let parts = KeyParts {
                fingerprint: &self.fingerprint,
                dtype: &self.dtype,
                kernels: &self.kernels,
                kind: match span.kind {
                    PatchKind::Image => "image",
                    PatchKind::Video => "video",
                },
                grid: span.grid,
            };
            Key::new(&parts, span.rows.as_slice().expect("rows are contiguous"))
        };
        patches.iter().map(key).collect()
    }
}

impl CachedEncoder<'_> {
    /// The embeddings of a batch, input by input. Inputs that the cache has, and those that repeat an earlier one, do not run
    /// the tower.
    pub(super) fn encode(&mut self, mut patches: Patches) -> Result<Vec<f32>, Error> {
        let Some(cache) = &self.cache else {
            return encode(self.encoder, &patches);
        };
        let config = self.encoder.config();
        let (width, merge) = (config.out_hidden_size, config.spatial_merge_size);
        let grids = patches.grids();
        let keys = self.identity.keys(&patches);
        let mut found: HashMap<Key, Vec<f32>> = HashMap::new();
        for (key, grid) in keys.iter().zip(&grids) {
            let values = grid.num_tokens(merge) * width;
            let cached = cache
                .get(key)
                .filter(|cached| cached.values.len() == values);
            found.extend(cached.map(|cached| (*key, cached.values)));
        }
        self.hits += keys.iter().filter(|key| found.contains_key(key)).count();
        let mut missing: Vec<(Key, GridThw)> = Vec::new();
        let mut keep = Vec::with_capacity(keys.len());
        for input in keys.iter().copied().zip(grids) {
            let is_missing = !found.contains_key(&input.0) && !missing.contains(&input);
            missing.extend(is_missing.then_some(input));
            keep.push(is_missing);
        }
        if !missing.is_empty() {
            patches.retain(&keep);
            let all = encode(self.encoder, &patches)?;
            let mut rest = &all[..];
            for (key, grid) in missing {
                let (values, others) = rest.split_at(grid.num_tokens(merge) * width);
                rest = others;
                if let Some(warning) = cache.put(&key, grid, width, values) {
                    self.console.warning(&warning.to_string());
                }
                found.insert(key, values.to_vec());
            }
        }
        Ok(keys.iter().flat_map(|key| &found[key]).copied().collect())
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
