use std::collections::{BTreeMap, BTreeSet};

use glm4v_config::{Parameter, VisionConfig};

use crate::{Encoding, Header, ShardError, Tensor};

/// Prefixes of the tower's keys: in published checkpoints, in older checkpoints, in the file of a tower alone.
const PREFIXES: [&str; 3] = ["model.visual.", "visual.", ""];

/// A file that contains tensors of the tower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The name, path or URL of the file, for errors.
    pub file: String,
    /// The tensors in the file.
    pub header: Header,
}

impl Shard {
    /// Checks that the file has the tensors `keys`, which the index lists for it.
    ///
    /// # Errors
    /// [`ShardError::Missing`] for the first missing tensor.
    pub fn check(&self, keys: &BTreeSet<&str>) -> Result<(), ShardError> {
        let tensors = self.header.tensors.iter();
        let found: BTreeSet<&str> = tensors.map(|tensor| &tensor.key[..]).collect();
        let mut missing = keys.difference(&found);
        match missing.next() {
            None => Ok(()),
            Some(&key) => Err(ShardError::Missing {
                file: self.file.clone(),
                key: key.to_owned(),
                count: 1 + missing.count(),
            }),
        }
    }
}

/// The prefix of the tower's keys among `keys`.
pub(crate) fn find_prefix<'a>(
    keys: impl Iterator<Item = &'a String> + Clone,
    file: &str,
) -> Result<&'static str, ShardError> {
    let is_tower = |key: &str| {
        let module = key.split('.').next().unwrap_or_default();
        ["patch_embed", "blocks", "downsample", "merger"].contains(&module)
    };
    let begins = |prefix: &&str| {
        keys.clone()
            .filter_map(|key| key.strip_prefix(*prefix))
            .any(is_tower)
    };
    let prefix = PREFIXES.into_iter().find(begins);
    prefix.ok_or_else(|| ShardError::NoVisionTower {
        file: file.to_owned(),
    })
}

/// A tensor of the tower that matches the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The key of [`VisionConfig::parameters`], without prefix.
    pub key: String,
    /// The index of its shard.
    pub shard: usize,
    /// The tensor in that shard.
    pub tensor: &'a Tensor,
    /// How its values are stored.
    pub encoding: Encoding,
}

/// A tensor of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The index of the shard.
    pub shard: usize,
    /// The tensor in that shard.
    pub tensor: &'a Tensor,
}

/// The tensors of the vision tower in some files, before the comparison with a configuration.
#[derive(Clone, Debug)]
pub struct Tower<'a> {
    shards: &'a [Shard],
    file: &'a str,
    /// The prefix of every key of the tower.
    pub prefix: &'static str,
    /// By key without prefix.
    tensors: BTreeMap<&'a str, Found<'a>>,
    /// Number of tensors outside the tower.
    pub others: usize,
}

/// The tensors of a tower, compared with the parameters of a configuration.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    shards: &'a [Shard],
    file: &'a str,
    /// Tensors that match, in the order of [`VisionConfig::parameters`].
    pub places: Vec<Place<'a>>,
    /// Tensors with another shape or an unsupported type, and the shape in the configuration.
    pub mismatched: Vec<(Found<'a>, Vec<usize>)>,
    /// Keys of missing tensors, with prefix.
    pub missing: Vec<String>,
    /// Tensors that are not in the configuration.
    pub left_over: Vec<Found<'a>>,
}

impl<'a> Tower<'a> {
    /// Finds the tower in `shards`. Errors that concern no single shard contain `file`.
    ///
    /// # Errors
    /// [`ShardError::NoVisionTower`], and [`ShardError::Header`] for a tensor that occurs twice.
    pub fn find(shards: &'a [Shard], file: &'a str) -> Result<Self, ShardError> {
        let all = || shards.iter().flat_map(|shard| &shard.header.tensors);
        let prefix = find_prefix(all().map(|tensor| &tensor.key), file)?;
        let mut tensors = BTreeMap::new();
        for (index, shard) in shards.iter().enumerate() {
            for tensor in &shard.header.tensors {
                let Some(key) = tensor.key.strip_prefix(prefix) else {
                    continue;
                };
                let found = Found {
                    shard: index,
                    tensor,
                };
                if let Some(other) = tensors.insert(key, found) {
                    return Err(twice(tensor, shard, &shards[other.shard]));
                }
            }
        }
        Ok(Self {
            shards,
            file,
            prefix,
            others: all().count() - tensors.len(),
            tensors,
        })
    }

    /// Compares the tensors with the parameters of `config`.
    #[must_use]
    pub fn compare(mut self, config: &VisionConfig) -> Comparison<'a> {
        let mut comparison = Comparison {
            shards: self.shards,
            file: self.file,
            places: Vec::new(),
            mismatched: Vec::new(),
            missing: Vec::new(),
            left_over: Vec::new(),
        };
        for Parameter { key, shape } in config.parameters() {
            let Some(found) = self.tensors.remove(&key[..]) else {
                comparison.missing.push(format!("{}{key}", self.prefix));
                continue;
            };
            let Found { shard, tensor } = found;
            match Encoding::from_dtype(tensor.dtype) {
                Some(encoding) if tensor.shape == shape => comparison.places.push(Place {
                    key,
                    shard,
                    tensor,
                    encoding,
                }),
                Some(_) | None => comparison.mismatched.push((found, shape)),
            }
        }
        comparison.left_over = self.tensors.into_values().collect();
        comparison
    }
}

impl<'a> Comparison<'a> {
    /// The tensors of the tower, in the order of [`VisionConfig::parameters`].
    ///
    /// # Errors
    /// [`ShardError`] for the first tensor that has the wrong shape or type, is missing, or is left over.
    pub fn complete(self) -> Result<Vec<Place<'a>>, ShardError> {
        let file = |found: &Found<'_>| self.shards[found.shard].file.clone();
        if let Some((found, expected)) = self.mismatched.first() {
            return Err(mismatch(found.tensor, file(found), expected));
        }
        if let Some(key) = self.missing.first() {
            return Err(ShardError::Missing {
                file: self.file.to_owned(),
                key: key.clone(),
                count: self.missing.len(),
            });
        }
        match self.left_over.first() {
            None => Ok(self.places),
            Some(found) => Err(ShardError::LeftOver {
                file: file(found),
                key: found.tensor.key.clone(),
                count: self.left_over.len(),
            }),
        }
    }
}

/// The tensors of the tower of `config` in `shards`, in the order of [`VisionConfig::parameters`].
///
/// # Errors
/// Those of [`Tower::find`] and of [`Comparison::complete`].
pub fn tower<'a>(
    config: &VisionConfig,
    shards: &'a [Shard],
    file: &'a str,
) -> Result<Vec<Place<'a>>, ShardError> {
    Tower::find(shards, file)?.compare(config).complete()
}

fn twice(tensor: &Tensor, shard: &Shard, other: &Shard) -> ShardError {
    ShardError::Header {
        file: shard.file.clone(),
        message: format!(
            "tensor `{}` is in {} as well; remove one of them",
            tensor.key, other.file
        ),
    }
}

fn mismatch(tensor: &Tensor, file: String, expected: &[usize]) -> ShardError {
    let key = tensor.key.clone();
    if tensor.shape == expected {
        let found = format!("{:?}", tensor.dtype);
        return ShardError::Dtype { file, key, found };
    }
    ShardError::Shape {
        file,
        key,
        expected: expected.to_vec(),
        found: tensor.shape.clone(),
    }
}
