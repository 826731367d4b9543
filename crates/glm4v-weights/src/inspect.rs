use std::collections::BTreeMap;
use std::path::PathBuf;

use glm4v_shards::{Comparison, Place};

use crate::StoredDtype;

/// How a checkpoint's vision tensors compare with what a configuration asks for.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// What stands before each key of the tower: `model.visual.`, `visual.` or nothing.
    pub prefix: String,
    /// The files that hold the tower.
    pub files: Vec<PathBuf>,
    /// Tensors that fit.
    pub tensors: usize,
    /// Values of those tensors.
    pub parameters: u64,
    /// Bytes of those tensors, by the type in which they are stored.
    pub bytes: BTreeMap<StoredDtype, u64>,
    /// Keys of the configuration that no file has.
    pub missing: Vec<String>,
    /// Tensors of the wrong shape or type.
    pub mismatched: Vec<Mismatch>,
    /// Vision keys that the configuration has no place for, with their file.
    pub left_over: Vec<(String, PathBuf)>,
    /// Tensors of other parts of the model, left unread.
    pub other_tensors: usize,
}

/// A tensor that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The tensor's key, with its prefix.
    pub key: String,
    /// The file that holds it.
    pub file: PathBuf,
    /// The shape that the configuration asks for.
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

    /// What `comparison` found in `files`, of which the tower's keys begin with `prefix`.
    pub(crate) fn new(
        comparison: &Comparison<'_>,
        prefix: &str,
        files: Vec<PathBuf>,
        other_tensors: usize,
    ) -> Self {
        let mut bytes = BTreeMap::new();
        for place in &comparison.places {
            let dtype = StoredDtype::new(place.tensor.dtype).expect("a type that was looked at");
            *bytes.entry(dtype).or_default() += place.tensor.bytes;
        }
        let elements = |place: &Place<'_>| place.tensor.shape.iter().product::<usize>() as u64;
        let mismatch = |(place, expected): &(Place<'_>, Vec<usize>)| Mismatch {
            key: place.tensor.key.clone(),
            file: files[place.shard].clone(),
            expected: expected.clone(),
            found: place.tensor.shape.clone(),
            dtype: format!("{:?}", place.tensor.dtype),
        };
        let left_over = |place: &Place<'_>| (place.tensor.key.clone(), files[place.shard].clone());
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
