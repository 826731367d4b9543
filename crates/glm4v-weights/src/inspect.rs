use std::collections::BTreeMap;
use std::path::PathBuf;

use glm4v_shards::{Comparison, Encoding, Found, Place};

/// The vision tensors of a checkpoint, compared with a configuration.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The prefix of every key of the tower: `model.visual.`, `visual.` or nothing. GGUF files have no prefix.
    pub prefix: String,
    /// The files that contain the tower.
    pub files: Vec<PathBuf>,
    /// Number of tensors that match.
    pub tensors: usize,
    /// Number of values of these tensors.
    pub parameters: u64,
    /// Bytes of these tensors, by encoding.
    pub bytes: BTreeMap<Encoding, u64>,
    /// Keys of missing tensors, with prefix.
    pub missing: Vec<String>,
    /// Tensors with another shape or an unsupported type.
    pub mismatched: Vec<Mismatch>,
    /// Keys of vision tensors that are not in the configuration, with their files.
    pub left_over: Vec<(String, PathBuf)>,
    /// Number of tensors outside the tower. They are not read.
    pub other_tensors: usize,
}

/// A tensor with another shape or an unsupported type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The key, with prefix.
    pub key: String,
    /// The file.
    pub file: PathBuf,
    /// The shape in the configuration.
    pub expected: Vec<usize>,
    /// The shape in the file.
    pub found: Vec<usize>,
    /// The type in the file.
    pub dtype: String,
}

impl Inspection {
    /// Whether the tower can be loaded.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty() && self.left_over.is_empty()
    }

    /// The result of `comparison`. The shards are `files`.
    pub(crate) fn of_safetensors(
        comparison: &Comparison<'_>,
        prefix: &str,
        files: Vec<PathBuf>,
        other_tensors: usize,
    ) -> Self {
        let mut bytes = BTreeMap::new();
        for place in &comparison.places {
            *bytes.entry(place.encoding).or_default() += place.tensor.bytes;
        }
        let elements = |place: &Place<'_>| place.tensor.shape.iter().product::<usize>() as u64;
        let mismatch = |(found, expected): &(Found<'_>, Vec<usize>)| Mismatch {
            key: found.tensor.key.clone(),
            file: files[found.shard].clone(),
            expected: expected.clone(),
            found: found.tensor.shape.clone(),
            dtype: format!("{:?}", found.tensor.dtype),
        };
        let left_over = |found: &Found<'_>| (found.tensor.key.clone(), files[found.shard].clone());
        Self {
            prefix: prefix.to_owned(),
            tensors: comparison.places.len(),
            parameters: comparison.places.iter().map(elements).sum(),
            bytes,
            missing: comparison.missing.clone(),
            mismatched: comparison.mismatched.iter().map(mismatch).collect(),
            left_over: comparison.left_over.iter().map(left_over).collect(),
            other_tensors,
            files,
        }
    }
}
