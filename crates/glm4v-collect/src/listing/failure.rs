use std::path::{Path, PathBuf};

use crate::{CollectError, Entry, Location};

/// Why something that is named or found cannot be listed.
#[derive(Debug)]
pub(super) struct Failure {
    error: CollectError,
    /// `None` for a list that ends too early: nothing is known of the inputs that would follow.
    input: Option<Box<FailedInput>>,
}

/// What stands for such an input in a job that records failures.
#[derive(Debug)]
struct FailedInput {
    id: String,
    name: String,
    /// A file that may be readable when its turn comes.
    file: Option<PathBuf>,
}

impl Failure {
    /// The failure of a list, whose other inputs are not known.
    pub(super) fn of_list(error: CollectError) -> Self {
        Self { error, input: None }
    }

    /// The failure of one input that is not a file.
    pub(super) fn of_input(error: CollectError, id: String, name: String) -> Self {
        let file = None;
        let input = Some(Box::new(FailedInput { id, name, file }));
        Self { error, input }
    }

    /// The failure of a file or a folder.
    pub(super) fn at(error: CollectError, id: String, path: &Path) -> Self {
        let is_file = matches!(
            error,
            CollectError::Io { .. } | CollectError::NotFound { .. } | CollectError::NotMedia { .. }
        );
        Self {
            input: Some(Box::new(FailedInput {
                id,
                name: path.display().to_string(),
                file: (is_file && !path.is_dir()).then(|| path.to_owned()),
            })),
            error,
        }
    }

    /// The same failure, with the place where the input is named.
    pub(super) fn within(self, wrap: impl FnOnce(CollectError) -> CollectError) -> Self {
        Self {
            error: wrap(self.error),
            ..self
        }
    }

    /// The same failure of an input that has an id.
    pub(super) fn with_id(mut self, id: String) -> Self {
        if let Some(input) = &mut self.input {
            input.id = id;
        }
        self
    }

    pub(super) fn into_error(self) -> CollectError {
        self.error
    }

    /// The entry that stands for the input. It fails when it is read.
    pub(super) fn into_entry(self) -> Result<Entry, CollectError> {
        let Some(input) = self.input else {
            return Err(self.error);
        };
        let FailedInput { id, name, file } = *input;
        let location = match file {
            Some(file) => Location::Path(file),
            None => Location::Failed(self.error.to_string()),
        };
        Ok(Entry { id, name, location })
    }
}
