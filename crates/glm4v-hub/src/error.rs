use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glm4v_config::ConfigError;
use glm4v_shards::ShardError;

/// A checkpoint cannot be found, fetched or stored. URLs are shown without query and credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// An environment variable has a value that cannot be used.
    #[error("{name}: expected {expected}, found {found}")]
    Environment {
        /// The variable.
        name: &'static str,
        /// The values that are allowed.
        expected: &'static str,
        /// Its value.
        found: String,
    },
    /// There is no home directory, and no variable sets the paths of the caches.
    #[error(
        "no home directory found: set HF_HOME and GLM4V_CACHE to the directories of the two caches"
    )]
    NoHome,
    /// The text is not the name of a model.
    #[error(
        "`{found}` is not the name of a model: expected OWNER/NAME, such as zai-org/GLM-4.1V-9B-Thinking"
    )]
    Model {
        /// The text.
        found: String,
    },
    /// The text is not the name of a revision.
    #[error("`{found}` is not a revision: expected a branch, a tag or a commit")]
    Revision {
        /// The text.
        found: String,
    },
    /// The checkpoint is in no cache, and the network must not be used.
    #[error(
        "{model} ({revision}) is not cached{detail}, and offline mode is on; `{command}` fetches it when online"
    )]
    Offline {
        /// The model.
        model: String,
        /// The revision.
        revision: String,
        /// The missing files of an incomplete copy, or nothing.
        detail: String,
        /// The command that fetches it.
        command: String,
    },
    /// Our tower cache does not have the model or the revision.
    #[error("{}: holds no {model}{revision}", cache.display())]
    NotCached {
        /// Our tower cache.
        cache: PathBuf,
        /// The model.
        model: String,
        /// The revision in parentheses, or nothing.
        revision: String,
    },
    /// Another process is fetching the model.
    #[error("another process is fetching {model}; wait for it or stop it")]
    Busy {
        /// The model.
        model: String,
    },
    /// The hub cannot be reached.
    #[error("{url}: cannot reach the hub: {source}")]
    Unreachable {
        /// The URL that was requested.
        url: String,
        /// The error of the connection.
        source: io::Error,
    },
    /// A connection failed after the hub had been reached.
    #[error("{url}: {source}")]
    Connection {
        /// The URL that was requested.
        url: String,
        /// The error of the connection.
        source: io::Error,
    },
    /// The server denies access.
    #[error("{url}: {status}{message}: {advice}")]
    Denied {
        /// The URL that was requested.
        url: String,
        /// The status, 401 or 403.
        status: u16,
        /// The server's message in parentheses, or nothing.
        message: String,
        /// What to do.
        advice: &'static str,
    },
    /// The model, the revision or the file is not on the server.
    #[error("{url}: 404{message}: no such model, revision or file; check the name and --revision")]
    NotFound {
        /// The URL that was requested.
        url: String,
        /// The server's message in parentheses, or nothing.
        message: String,
    },
    /// The server failed, or sent a status that a hub does not send.
    #[error("{url}: expected status 200 or 206, found {status}{message}")]
    Status {
        /// The URL that was requested.
        url: String,
        /// The status.
        status: u16,
        /// The server's message in parentheses, or nothing.
        message: String,
        /// The time after which the server accepts requests again.
        retry_after: Option<Duration>,
    },
    /// A redirect that is not followed.
    #[error("{url}: redirected {problem}")]
    Redirect {
        /// The URL that was requested.
        url: String,
        /// The reason.
        problem: String,
    },
    /// The server does not tell the commit of a revision.
    #[error(
        "{url}: expected a commit in the header X-Repo-Commit or in the API's response, found {found}; check HF_ENDPOINT"
    )]
    NoCommit {
        /// The URL that was requested.
        url: String,
        /// The text that was found instead.
        found: String,
    },
    /// The server does not support ranges.
    #[error(
        "{url}: the server does not serve ranges (expected status 206, found 200), which are needed to fetch the vision tower alone; set HF_ENDPOINT to another hub"
    )]
    NoRanges {
        /// The URL that was requested.
        url: String,
    },
    /// The response does not match the request.
    #[error("{url}: expected {expected}, found {found}")]
    Response {
        /// The URL that was requested.
        url: String,
        /// The response that matches.
        expected: String,
        /// The response that came.
        found: String,
    },
    /// The body ended too early.
    #[error("{url}: the connection ended after {found} of {expected} bytes")]
    Truncated {
        /// The URL that was requested.
        url: String,
        /// The bytes of the response.
        expected: u64,
        /// The bytes that arrived.
        found: u64,
    },
    /// The model has no weights in a supported format.
    #[error(
        "{model} at {commit}: expected model.safetensors or model.safetensors.index.json, found neither"
    )]
    NoWeights {
        /// The model.
        model: String,
        /// The commit.
        commit: String,
    },
    /// The weights are damaged, or are not a vision tower.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// A configuration is not supported.
    #[error("{file}: {source}")]
    Config {
        /// The file or its URL.
        file: String,
        /// The reason.
        source: ConfigError,
    },
    /// [`Progress::is_cancelled`](crate::Progress::is_cancelled) stopped the fetch. The next fetch continues it.
    #[error("the download was cancelled; the next one resumes it")]
    Cancelled,
    /// The disk is full, or a quota is used up.
    #[error("{}: no space left: {needed} bytes are needed; free some space, or set GLM4V_CACHE to a directory elsewhere", path.display())]
    NoSpace {
        /// The file being written.
        path: PathBuf,
        /// Its full length.
        needed: u64,
    },
    /// The operating system refused to read or write a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl HubError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }

    /// Like [`HubError::io`], for a file that needs `needed` bytes.
    pub(crate) fn writing(path: &Path, needed: u64) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoSpace { path, needed },
            _ => Self::Io { path, source },
        }
    }

    /// For the first request: a failed connection means that there is no network, so no other attempt is made.
    pub(crate) fn of_first_request(self) -> Self {
        match self {
            Self::Connection { url, source } => Self::Unreachable { url, source },
            error => error,
        }
    }

    /// Whether another attempt may succeed.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Truncated { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            Self::Environment { .. }
            | Self::NoHome
            | Self::Model { .. }
            | Self::Revision { .. }
            | Self::Offline { .. }
            | Self::NotCached { .. }
            | Self::Busy { .. }
            | Self::Unreachable { .. }
            | Self::Denied { .. }
            | Self::NotFound { .. }
            | Self::Redirect { .. }
            | Self::NoCommit { .. }
            | Self::NoRanges { .. }
            | Self::Response { .. }
            | Self::NoWeights { .. }
            | Self::Shards(_)
            | Self::Config { .. }
            | Self::Cancelled
            | Self::NoSpace { .. }
            | Self::Io { .. } => false,
        }
    }
}

/// The maximum characters of a server's message in an error.
const LONGEST_MESSAGE: usize = 300;

/// Text of a server or a caller, without control characters and shortened for an error message.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_MESSAGE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_an_error_of_its_own() {
        let path = Path::new("/cache/model.safetensors");
        let full = HubError::writing(path, 1800)(io::ErrorKind::StorageFull.into());
        assert!(full.to_string().contains("1800 bytes are needed"), "{full}");
        let other = HubError::writing(path, 1800)(io::ErrorKind::PermissionDenied.into());
        assert!(matches!(other, HubError::Io { .. }));
    }
}
