use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{StoredDtype, WeightsError};

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

    /// The first reason why the tower cannot be loaded, as an error.
    pub(crate) fn check(&self, path: &std::path::Path) -> Result<(), WeightsError> {
        if let Some(mismatch) = self.mismatched.first() {
            return Err(mismatch.error());
        }
        if let Some(key) = self.missing.first() {
            return Err(WeightsError::Missing {
                path: path.to_owned(),
                key: key.clone(),
                count: self.missing.len(),
            });
        }
        if let Some((key, file)) = self.left_over.first() {
            return Err(WeightsError::LeftOver {
                path: file.clone(),
                key: key.clone(),
                count: self.left_over.len(),
            });
        }
        Ok(())
    }
}

impl Mismatch {
    fn error(&self) -> WeightsError {
        let (path, key) = (self.file.clone(), self.key.clone());
        if self.expected == self.found {
            let found = self.dtype.clone();
            return WeightsError::Dtype { path, key, found };
        }
        WeightsError::Shape {
            path,
            key,
            expected: self.expected.clone(),
            found: self.found.clone(),
        }
    }
}
