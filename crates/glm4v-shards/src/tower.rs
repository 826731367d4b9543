use std::collections::BTreeMap;

use glm4v_config::{Parameter, VisionConfig};
use safetensors::Dtype;

use crate::ShardError;
use crate::{Header, Tensor};

/// What may stand before the tower's keys: the published layout, that of older checkpoints, a tower on its own.
const PREFIXES: [&str; 3] = ["model.visual.", "visual.", ""];

/// A file that holds some of the tower, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its name, or its URL for messages.
    pub file: String,
    /// What it holds.
    pub header: Header,
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

/// The tower's tensors in `shards`, which are of `file`, if they are those of `config` and no others; in the order of
/// [`VisionConfig::parameters`].
///
/// # Errors
/// [`ShardError`] for the first tensor that is missing, has the wrong shape or type, is there twice, or is left over.
pub fn tower<'a>(
    config: &VisionConfig,
    shards: &'a [Shard],
    file: &str,
) -> Result<Vec<Place<'a>>, ShardError> {
    let all = || shards.iter().flat_map(|shard| &shard.header.tensors);
    let prefix = find_prefix(all().map(|tensor| &tensor.key), file)?;
    let mut found = BTreeMap::new();
    for (number, shard) in shards.iter().enumerate() {
        let tower = shard
            .header
            .tensors
            .iter()
            .filter(|tensor| tensor.key.starts_with(prefix));
        for tensor in tower {
            if let Some((other, _)) = found.insert(&tensor.key[prefix.len()..], (number, tensor)) {
                return Err(ShardError::Header {
                    file: shard.file.clone(),
                    message: format!(
                        "tensor `{}` is in {} as well",
                        tensor.key, shards[other].file
                    ),
                });
            }
        }
    }
    let parameters = config.parameters();
    check_missing(&parameters, &found, prefix, file)?;
    let mut tower = Vec::new();
    for parameter in parameters {
        let (shard, tensor) = found
            .remove(&parameter.key[..])
            .expect("a tensor that is not missing");
        check(&parameter, tensor, &shards[shard].file)?;
        tower.push(Place {
            key: parameter.key,
            shard,
            tensor,
        });
    }
    match found.first_key_value() {
        None => Ok(tower),
        Some((_, (number, tensor))) => Err(ShardError::LeftOver {
            file: shards[*number].file.clone(),
            key: tensor.key.clone(),
            count: found.len(),
        }),
    }
}

fn check_missing<T>(
    parameters: &[Parameter],
    found: &BTreeMap<&str, T>,
    prefix: &str,
    file: &str,
) -> Result<(), ShardError> {
    let mut missing = parameters
        .iter()
        .filter(|parameter| !found.contains_key(&parameter.key[..]));
    match missing.next() {
        None => Ok(()),
        Some(first) => Err(ShardError::Missing {
            file: file.to_owned(),
            key: format!("{prefix}{}", first.key),
            count: 1 + missing.count(),
        }),
    }
}

fn check(parameter: &Parameter, tensor: &Tensor, file: &str) -> Result<(), ShardError> {
    let (file, key) = (file.to_owned(), tensor.key.clone());
    if tensor.shape != parameter.shape {
        let (expected, found) = (parameter.shape.clone(), tensor.shape.clone());
        return Err(ShardError::Shape {
            file,
            key,
            expected,
            found,
        });
    }
    if !matches!(tensor.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
        let found = format!("{:?}", tensor.dtype);
        return Err(ShardError::Dtype { file, key, found });
    }
    Ok(())
}
