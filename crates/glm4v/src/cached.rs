//! Embeddings by the content of their inputs, with the feature `store`: a cache, and names for other programs.
//!
//! ```
//! use glm4v::cached::{self, Identity};
//! use glm4v::store::EmbeddingCache;
//! use glm4v::weights::Fingerprint;
//! use glm4v::{ComputeType, LoadOptions, Preset, VisionEncoder, image::DynamicImage};
//! # let temporary = tempfile::tempdir()?;
//! # let dir = temporary.path();
//!
//! let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
//! let fingerprint = Fingerprint::random(Preset::Tiny, 0);
//! let identity = Identity::new(&fingerprint, ComputeType::F32, encoder.target().mode);
//! let cache = EmbeddingCache::open(dir, 10 << 30)?;
//! for hits in [0, 1] {
//!     let patches = encoder.processor().preprocess_images(&[DynamicImage::new_rgb8(56, 84)])?;
//!     let keys = identity.keys(&patches);
//!     let batch = cached::encode(&encoder, &cache, &keys, patches, |patches| encoder.encode_values(patches))?;
//!     assert_eq!(batch.hits, hits);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::HashMap;

use glm4v_config::{GridThw, PatchKind};
use glm4v_model::ComputeMode;
use glm4v_preprocess::{Patches, SpanRows};
use glm4v_store::{CacheWarning, EmbeddingCache, Key, KeyParts};
use glm4v_weights::Fingerprint;

use crate::{ComputeType, Error, VisionEncoder};

/// What embeddings depend on, besides their patch rows. The [module](self) has an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The fingerprint of the weights.
    pub fingerprint: String,
    /// The type in which the tower computes.
    pub dtype: String,
    /// The kernels that compute it.
    pub kernels: String,
}

impl Identity {
    /// The identity of a tower that computes in `dtype`.
    #[must_use]
    pub fn new(fingerprint: &Fingerprint, dtype: ComputeType, mode: ComputeMode) -> Self {
        Self {
            fingerprint: fingerprint.to_string(),
            dtype: dtype.to_string(),
            kernels: mode.kernels(),
        }
    }

    /// The key of each input of a batch.
    #[must_use]
    pub fn keys(&self, patches: &Patches) -> Vec<Key> {
        let key = |span: SpanRows<'_>| {
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

/// The name of an input in other programs, such as vLLM: the first 32 digits of its key.
#[must_use]
pub fn uuid(key: &Key) -> String {
    const DIGITS: usize = 32;
    let mut digits = key.to_string();
    digits.truncate(DIGITS);
    digits
}

/// The embeddings of a batch. The [module](self) has an example.
#[derive(Clone, Debug)]
pub struct CachedBatch {
    /// The embeddings of all inputs.
    ///
    /// # Shapes
    /// `[tokens, out_hidden_size]`
    pub values: Vec<f32>,
    /// The inputs whose embeddings the cache had.
    pub hits: usize,
    /// Why the cache cannot be written. It is reported once.
    pub warning: Option<CacheWarning>,
}

/// Encodes a batch. `run` gets the patches of the inputs that the cache does not have. An input that repeats an earlier one is
/// encoded once.
///
/// `keys` are those of [`Identity::keys`]. `run` returns the embeddings of its patches, for example by
/// [`VisionEncoder::encode_values`]. It is not called if there is nothing to encode.
///
/// # Errors
/// Those of `run`.
pub fn encode(
    encoder: &VisionEncoder,
    cache: &EmbeddingCache,
    keys: &[Key],
    mut patches: Patches,
    run: impl FnOnce(&Patches) -> Result<Vec<f32>, Error>,
) -> Result<CachedBatch, Error> {
    let config = encoder.config();
    let (width, merge) = (config.out_hidden_size, config.spatial_merge_size);
    let grids = patches.grids();
    let mut found: HashMap<Key, Vec<f32>> = HashMap::new();
    for (key, grid) in keys.iter().zip(&grids) {
        let values = grid.num_tokens(merge) * width;
        let cached = cache
            .get(key)
            .filter(|cached| cached.values.len() == values);
        found.extend(cached.map(|cached| (*key, cached.values)));
    }
    let hits = keys.iter().filter(|key| found.contains_key(key)).count();
    let mut missing: Vec<(Key, GridThw)> = Vec::new();
    let mut keep = Vec::with_capacity(keys.len());
    for input in keys.iter().copied().zip(grids) {
        let is_missing = !found.contains_key(&input.0) && !missing.contains(&input);
        missing.extend(is_missing.then_some(input));
        keep.push(is_missing);
    }
    let mut warning = None;
    if !missing.is_empty() {
        patches.retain(&keep);
        let all = run(&patches)?;
        let mut rest = &all[..];
        for (key, grid) in missing {
            let (values, others) = rest.split_at(grid.num_tokens(merge) * width);
            rest = others;
            warning = warning.or(cache.put(&key, grid, width, values));
            found.insert(key, values.to_vec());
        }
    }
    Ok(CachedBatch {
        values: keys.iter().flat_map(|key| &found[key]).copied().collect(),
        hits,
        warning,
    })
}
