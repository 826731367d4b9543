use std::io;
use std::path::{Path, PathBuf};

use crate::difference::Difference;
use crate::input_changes::InputChanges;

/// Embeddings cannot be stored, or a job cannot be continued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused to read or write a file.
    #[error("{}: {source}{}", path.display(), advice(source.kind()))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The disk is full, or a quota is used up.
    #[error("{}: no space left: {source}; free some space first", path.display())]
    NoSpace {
        /// The file being written.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another process works in the directory of the job.
    #[error("{}: another process is working on this job; wait for it, stop it, or choose another directory", dir.display())]
    Busy {
        /// The directory of the job.
        dir: PathBuf,
    },
    /// The directory has files, and they are not those of a job.
    #[error("{}: contains `{found}`, but no manifest.json of a job; choose an empty directory", dir.display())]
    NotAJob {
        /// The directory.
        dir: PathBuf,
        /// One of its files.
        found: String,
    },
    /// There is no job to resume.
    #[error("{}: there is no job in this directory; start it with a list of inputs", dir.display())]
    NoJob {
        /// The directory.
        dir: PathBuf,
    },
    /// Another version wrote the directory, with other files.
    #[error("{}: expected layout {expected}, found {found}; finish the job with the version of glm4v that started it, or choose an empty directory", path.display())]
    Layout {
        /// The manifest.
        path: PathBuf,
        /// The layout of this version.
        expected: u32,
        /// The layout of the directory.
        found: String,
    },
    /// The job in the directory was started with other settings.
    #[error("{}: this job was started differently: {}; repeat the first command, or choose an empty directory", path.display(), list(differences))]
    Changed {
        /// The manifest.
        path: PathBuf,
        /// Every field that differs.
        differences: Vec<Difference>,
    },
    /// The job in the directory was started with other inputs.
    #[error(
        "{}: this job was started with other inputs: {changes}; name the inputs as in the first command, or go on with the \
         stored list, or choose an empty directory",
        dir.display()
    )]
    OtherInputs {
        /// The directory of the job.
        dir: PathBuf,
        /// What differs.
        changes: InputChanges,
    },
    /// A file of the job is damaged.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault, and what to do.
        problem: String,
    },
    /// A shard that the journal lists is not there, or is another file.
    #[error(
        "{}: {problem}, but journal.jsonl lists this shard; restore the file, or delete line {line} and all later lines of \
         journal.jsonl: the job then encodes these inputs again",
        path.display()
    )]
    Shard {
        /// The file of the shard.
        path: PathBuf,
        /// The fault.
        problem: String,
        /// The line of the journal, counted from 1.
        line: usize,
    },
    /// The list of inputs could not be read to its end.
    #[error("the list of inputs: {source}")]
    Inputs {
        /// The error of the caller's iterator.
        source: io::Error,
    },
    /// A record cannot be stored.
    #[error("input `{id}`: {problem}")]
    Record {
        /// The identifier of the record.
        id: String,
        /// The fault.
        problem: String,
    },
    /// The settings of the job contradict each other.
    #[error("{problem}")]
    Settings {
        /// The fault, and what to do.
        problem: String,
    },
    /// The text is not a shard of a job.
    #[error("`{found}` is not a shard: expected I/N with I from 0 to N - 1, such as 0/4")]
    Split {
        /// The text.
        found: String,
    },
    /// A record was pushed that is not in the list of inputs.
    #[error("{}: all {inputs} inputs of the list have a record already", dir.display())]
    TooMany {
        /// The directory of the job.
        dir: PathBuf,
        /// Number of inputs in the list.
        inputs: usize,
    },
    /// The job was finished before all inputs had a record.
    #[error("{}: expected {expected} records, found {found}; encode the other inputs before the job is finished", dir.display())]
    Unfinished {
        /// The directory of the job.
        dir: PathBuf,
        /// Number of inputs in the list.
        expected: usize,
        /// Number of records.
        found: usize,
    },
    /// An earlier call failed, so later records would be stored in the wrong place.
    #[error("{}: an earlier error stopped this job; open it again to continue", dir.display())]
    Stopped {
        /// The directory of the job.
        dir: PathBuf,
    },
    /// The name of a file or folder would lead elsewhere.
    #[error("`{uuid}` cannot be the name of a folder: {problem}")]
    Uuid {
        /// The text.
        uuid: String,
        /// The fault.
        problem: &'static str,
    },
}

impl StoreError {
    /// For `map_err`: an error of the operating system at `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoSpace { path, source },
            _ => Self::Io { path, source },
        }
    }

    /// Whether a shard may lack a record after this error. The others are found before anything is written.
    pub(crate) fn stops_a_job(&self) -> bool {
        !matches!(
            self,
            Self::Record { .. } | Self::TooMany { .. } | Self::Unfinished { .. }
        )
    }

    pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

fn list(differences: &[Difference]) -> String {
    let differences = differences.iter().map(ToString::to_string);
    differences.collect::<Vec<_>>().join("; ")
}

/// What to do about an error of the operating system.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => "; check the permissions of the file and its directory",
        io::ErrorKind::ReadOnlyFilesystem => "; choose a directory that can be written",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; a part of this path is a file: choose another directory"
        }
        io::ErrorKind::NotFound => "; check that the file and its directory exist",
        _ => "",
    }
}
