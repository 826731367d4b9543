use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use glm4v_config::Substitute;
use serde::Deserialize;

use crate::ShardError;
use crate::printable;
use crate::tower::find_prefix;

/// `model.safetensors.index.json`: the shard of each tensor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    /// Parses the text of `file`. Errors contain `file`, a path or a URL.
    ///
    /// # Errors
    /// [`ShardError::Index`] for text that is not an index, and for a shard outside the directory of the index.
    /// [`ShardError::Substitute`] for another file in its place.
    pub fn parse(text: &str, file: &str) -> Result<Self, ShardError> {
        let refuse = |message: String| ShardError::Index {
            file: file.to_owned(),
            message: printable(&message),
        };
        let index: Self =
            serde_json::from_str(text).map_err(|error| match Substitute::of(text.as_bytes()) {
                Some(substitute) => ShardError::Substitute {
                    file: file.to_owned(),
                    substitute,
                },
                None => refuse(error.to_string()),
            })?;
        let odd = index.weight_map.iter().find(|(_, shard)| !is_plain(shard));
        if let Some((key, shard)) = odd {
            return Err(refuse(format!(
                "tensor `{key}`: expected the name of a safetensors file beside the index, found `{shard}`"
            )));
        }
        Ok(index)
    }

    /// The shards that contain the vision tower, each with the keys of its tower tensors.
    ///
    /// # Errors
    /// [`ShardError::NoVisionTower`] if no key belongs to a vision tower.
    pub fn shards(&self, file: &str) -> Result<BTreeMap<&str, BTreeSet<&str>>, ShardError> {
        let prefix = find_prefix(self.weight_map.keys(), file)?;
        let mut shards: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (key, shard) in &self.weight_map {
            if key.starts_with(prefix) {
                shards.entry(shard).or_default().insert(key);
            }
        }
        Ok(shards)
    }

    /// The number of tensors whose keys are not in `keys`.
    pub fn others<'a>(&self, keys: impl Iterator<Item = &'a str>) -> usize {
        let known: BTreeSet<&str> = keys.collect();
        let all = self.weight_map.keys();
        all.filter(|key| !known.contains(&key[..])).count()
    }
}

/// Whether `name` is a file in the same directory, on every platform and in a URL.
fn is_plain(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let one = matches!(
        (components.next(), components.next()),
        (Some(Component::Normal(_)), None)
    );
    let odd = |c: char| c.is_control() || "/\\:?#%*\"<>|".contains(c);
    one && name.ends_with(".safetensors") && !name.starts_with('.') && !name.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(map: &str) -> Result<Vec<String>, ShardError> {
        let index = Index::parse(&format!(r#"{{"weight_map": {map}}}"#), "index")?;
        Ok(index
            .shards("index")?
            .keys()
            .map(|&shard| shard.to_owned())
            .collect())
    }

    #[test]
    fn shards_without_vision_tensors_are_ignored() {
        let map = r#"{"model.visual.downsample.bias": "2.safetensors", "lm_head.weight": "1.safetensors",
            "model.visual.merger.proj.weight": "3.safetensors", "model.visual.downsample.weight": "2.safetensors"}"#;
        assert_eq!(shards(map).unwrap(), ["2.safetensors", "3.safetensors"]);
        let old = r#"{"visual.downsample.bias": "1.safetensors", "visualizer": "2.safetensors"}"#;
        assert_eq!(shards(old).unwrap(), ["1.safetensors"]);
    }

    #[test]
    fn names_of_other_directories_are_refused() {
        for name in [
            "../x.safetensors",
            "/etc/x.safetensors",
            "a/x.safetensors",
            "..",
            ".x.safetensors",
            "",
            "C:x.safetensors",
            "a\\\\x.safetensors",
            "x.safetensors?y",
            "%2e%2e.safetensors",
            "x.bin",
            "x.safetensors/",
            "\\u001b[2J.safetensors",
        ] {
            let error = shards(&format!(r#"{{"visual.downsample.bias": "{name}"}}"#)).unwrap_err();
            assert!(matches!(error, ShardError::Index { .. }), "{name}: {error}");
            assert!(!error.to_string().contains(char::is_control), "{name}");
        }
    }

    #[test]
    fn an_index_without_a_tower_is_refused() {
        let error = shards(r#"{"lm_head.weight": "1.safetensors"}"#).unwrap_err();
        assert!(matches!(error, ShardError::NoVisionTower { .. }));
        assert!(matches!(
            Index::parse("[]", "index"),
            Err(ShardError::Index { .. })
        ));
        assert!(matches!(
            Index::parse("version https://git-lfs.github.com/spec/v1\n", "index"),
            Err(ShardError::Substitute {
                substitute: Substitute::LfsPointer,
                ..
            })
        ));
    }
}
