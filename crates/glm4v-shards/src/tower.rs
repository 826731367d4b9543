use std::collections::{BTreeMap, BTreeSet};

use glm4v_config::{Parameter, VisionConfig};
use safetensors::Dtype;

use crate::ShardError;
use crate::{Header, Tensor};

/// What may stand before the tower's keys: the published layout, that of older checkpoints, a tower on its own.
const PREFIXES: [&str; 3] = ["model.visual.", "visual.", ""];

/// A file that holds some of the tower, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its name, its path or its URL, for messages.
    pub file: String,
    /// What it holds.
    pub header: Header,
}

impl Shard {
    /// Checks that the file holds the tensors called `keys`, which an index says are in it.
    ///
    /// # Errors
    /// [`ShardError::Missing`] for the first one that it lacks.
    pub fn check(&self, keys: &BTreeSet<&str>) -> Result<(), ShardError> {
        let tensors = self.header.tensors.iter();
        let held: BTreeSet<&str> = tensors.map(|tensor| &tensor.key[..]).collect();
        let mut missing = keys.difference(&held);
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

/// A tensor of the tower, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Its key of [`VisionConfig::parameters`], without prefix.
    pub key: String,
    /// The number of its shard.
    pub shard: usize,
    /// Where in that shard.
    pub tensor: &'a Tensor,
}

/// The vision tower's tensors in some files, whatever configuration they are of.
#[derive(Clone, Debug)]
pub struct Tower<'a> {
    shards: &'a [Shard],
    file: &'a str,
    /// What stands before each key of the tower.
    pub prefix: &'static str,
    /// Key without prefix → the number of its shard, and where in it.
    tensors: BTreeMap<&'a str, (usize, &'a Tensor)>,
    /// Tensors of other parts of the model.
    pub others: usize,
}

/// How a tower's tensors compare with those that a configuration asks for.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    shards: &'a [Shard],
    file: &'a str,
    /// Those that fit, in the order of [`VisionConfig::parameters`].
    pub places: Vec<Place<'a>>,
    /// Those of another shape or type, and the shape that is asked for.
    pub mismatched: Vec<(Place<'a>, Vec<usize>)>,
    /// Keys, with prefix, that no file has.
    pub missing: Vec<String>,
    /// Those that the configuration has no place for.
    pub left_over: Vec<Place<'a>>,
}

impl<'a> Tower<'a> {
    /// Finds the tower in `shards`, which are of `file`.
    ///
    /// # Errors
    /// [`ShardError::NoVisionTower`], and [`ShardError::Header`] for a tensor that is there twice.
    pub fn find(shards: &'a [Shard], file: &'a str) -> Result<Self, ShardError> {
        let all = || shards.iter().flat_map(|shard| &shard.header.tensors);
        let prefix = find_prefix(all().map(|tensor| &tensor.key), file)?;
        let mut tensors = BTreeMap::new();
        for (number, shard) in shards.iter().enumerate() {
            for tensor in &shard.header.tensors {
                let Some(key) = tensor.key.strip_prefix(prefix) else {
                    continue;
                };
                if let Some((other, _)) = tensors.insert(key, (number, tensor)) {
                    return Err(twice(tensor, shard, &shards[other]));
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

    /// Holds the tensors against those that `config` asks for.
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
            match self.tensors.remove(&key[..]) {
                None => comparison.missing.push(format!("{}{key}", self.prefix)),
                Some((shard, tensor)) => {
                    let place = Place { key, shard, tensor };
                    match tensor.shape == shape && is_stored_so(tensor.dtype) {
                        true => comparison.places.push(place),
                        false => comparison.mismatched.push((place, shape)),
                    }
                }
            }
        }
        let left_over = self.tensors.into_iter();
        comparison.left_over = left_over
            .map(|(key, (shard, tensor))| Place {
                key: key.to_owned(),
                shard,
                tensor,
            })
            .collect();
        comparison
    }
}

impl<'a> Comparison<'a> {
    /// The tower's tensors, if they are those of the configuration and no others; in the order of
    /// [`VisionConfig::parameters`].
    ///
    /// # Errors
    /// [`ShardError`] for the first tensor that has the wrong shape or type, is missing, or is left over.
    pub fn complete(self) -> Result<Vec<Place<'a>>, ShardError> {
        let file = |place: &Place<'_>| self.shards[place.shard].file.clone();
        if let Some((place, expected)) = self.mismatched.first() {
            return Err(mismatch(place, file(place), expected));
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
            Some(place) => Err(ShardError::LeftOver {
                file: file(place),
                key: place.tensor.key.clone(),
                count: self.left_over.len(),
            }),
        }
    }
}

/// The tower's tensors in `shards`, which are of `file`, if they are those of `config` and no others; in the order of
/// [`VisionConfig::parameters`].
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

/// Whether a tower is ever stored in this type.
fn is_stored_so(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
}

fn twice(tensor: &Tensor, shard: &Shard, other: &Shard) -> ShardError {
    ShardError::Header {
        file: shard.file.clone(),
        message: format!("tensor `{}` is in {} as well", tensor.key, other.file),
    }
}

fn mismatch(place: &Place<'_>, file: String, expected: &[usize]) -> ShardError {
    let (key, tensor) = (place.tensor.key.clone(), place.tensor);
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
