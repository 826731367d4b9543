use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glm4v_config::ConfigError;
use glm4v_shards::ShardError;

/// A checkpoint that cannot be found, fetched or kept. URLs are shown without query and credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A setting of the environment cannot be used.
    #[error("{name}: expected {expected}, found {found}")]
    Environment {
        /// The variable.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Neither a home directory nor the variables that would stand for it.
    #[error("no home directory: set HF_HOME and GLM4V_CACHE to the directories of the two caches")]
    NoHome,
    /// Not the name of a model.
    #[error(
        "`{found}` is not the name of a model: expected OWNER/NAME, such as zai-org/GLM-4.1V-9B-Thinking"
    )]
    Model {
        /// What was given.
        found: String,
    },
    /// Not the name of a revision.
    #[error("`{found}` is not a revision: expected a branch, a tag or a commit")]
    Revision {
        /// What was given.
        found: String,
    },
    /// The checkpoint is not in a cache, and the network must not be used.
    #[error(
        "{model} ({revision}) is not cached{detail}, and offline mode is on; `{command}` fetches it when online"
    )]
    Offline {
        /// The model.
        model: String,
        /// The revision.
        revision: String,
        /// What an incomplete copy lacks, or nothing.
        detail: String,
        /// The command that fetches it.
        command: String,
    },
    /// Our own cache holds nothing of the kind.
    #[error("{}: holds no {model}{revision}", cache.display())]
    NotCached {
        /// Our own cache.
        cache: PathBuf,
        /// The model.
        model: String,
        /// The revision in parentheses, or nothing.
        revision: String,
    },
    /// Another process is fetching the model.
    #[error("{model} is being fetched by another process; wait for it or stop it")]
    Busy {
        /// The model.
        model: String,
    },
    /// Nothing can be heard from the hub.
    #[error("{url}: the hub cannot be reached: {source}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong.
        source: io::Error,
    },
    /// A connection could not be made, or broke, after the hub had been reached.
    #[error("{url}: {source}")]
    Connection {
        /// What was asked for.
        url: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The server does not let us read this.
    #[error("{url}: {status}{said}: {advice}")]
    Denied {
        /// What was asked for.
        url: String,
        /// The status, 401 or 403.
        status: u16,
        /// What the server said about it, or nothing.
        said: String,
        /// What to do.
        advice: &'static str,
    },
    /// The model, the revision or the file is not on the server.
    #[error("{url}: 404{said}: no such model, revision or file; check the name and --revision")]
    NotFound {
        /// What was asked for.
        url: String,
        /// What the server said about it, or nothing.
        said: String,
    },
    /// The server failed, or answered what no hub should.
    #[error("{url}: expected status 200 or 206, found {status}{said}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// What the server said about it, or nothing.
        said: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// A redirect that is not followed.
    #[error("{url}: redirected {problem}")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Why it is not followed.
        problem: String,
    },
    /// The server does not say which commit a revision is.
    #[error(
        "{url}: expected a commit in X-Repo-Commit or in the answer of its API, found {found}; is HF_ENDPOINT a hub?"
    )]
    NoCommit {
        /// What was asked for.
        url: String,
        /// What was there instead.
        found: String,
    },
    /// The server sends whole files only.
    #[error(
        "{url}: the server does not serve ranges (status 200 where 206 was expected), so the vision tower cannot be fetched alone; set HF_ENDPOINT to a hub that does"
    )]
    NoRanges {
        /// What was asked for.
        url: String,
    },
    /// The answer is not the one to the request.
    #[error("{url}: expected {expected}, found {found}")]
    Response {
        /// What was asked for.
        url: String,
        /// What the request asks for.
        expected: String,
        /// What came.
        found: String,
    },
    /// The body ended too early.
    #[error("{url}: expected {expected} bytes, found {found} before the connection ended")]
    Cut {
        /// What was asked for.
        url: String,
        /// The bytes asked for.
        expected: u64,
        /// The bytes that came.
        found: u64,
    },
    /// A model without weights in a format that is read.
    #[error(
        "{model} at {commit}: expected model.safetensors or model.safetensors.index.json, found neither"
    )]
    NoWeights {
        /// The model.
        model: String,
        /// The commit.
        commit: String,
    },
    /// The weights are damaged, or are not those of the tower.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// A configuration is refused.
    #[error("{file}: {source}")]
    Config {
        /// The file or its URL.
        file: String,
        /// Why.
        source: ConfigError,
    },
    /// The disk is full, or a quota is.
    #[error("{}: no space left: {needed} bytes are needed; make room, or set GLM4V_CACHE to a directory elsewhere", path.display())]
    NoSpace {
        /// The file being written.
        path: PathBuf,
        /// Its length when whole.
        needed: u64,
    },
    /// The operating system refused to read or write a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl HubError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }

    /// As [`HubError::io`], for a file that will be `needed` bytes long.
    pub(crate) fn writing(path: &Path, needed: u64) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoSpace { path, needed },
            _ => Self::Io { path, source },
        }
    }

    /// Without a network, the first request fails; there is no use in making it again and again.
    pub(crate) fn at_first(self) -> Self {
        match self {
            Self::Connection { url, source } => Self::Unreachable { url, source },
            error => error,
        }
    }

    /// Whether asking again may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Cut { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let path = Path::new("/cache/model.safetensors");
        let full = HubError::writing(path, 1800)(io::ErrorKind::StorageFull.into());
        assert!(full.to_string().contains("1800 bytes are needed"), "{full}");
        let other = HubError::writing(path, 1800)(io::ErrorKind::PermissionDenied.into());
        assert!(matches!(other, HubError::Io { .. }));
    }
}
