use std::io;
use std::path::{Path, PathBuf};

use glm4v_preprocess::is_machine_fault;

/// Why an input cannot be listed or read. URLs are shown without their query, which may be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// A file or a folder could not be read.
    #[error("{}: cannot be read: {source}{}", path.display(), advice(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's message.
        source: io::Error,
    },
    /// The input could not be listed, and this became known when it was read.
    #[error("{problem}")]
    NotListed {
        /// The error of the listing.
        problem: String,
    },
    /// There is no such file.
    #[error("{name}: no such file or folder; check the name")]
    NotFound {
        /// The name as given.
        name: String,
    },
    /// The standard input was named as an image or a video.
    #[error(
        "the standard input cannot be an input of a job, because a job may read its inputs again: save it as a file"
    )]
    StandardInput,
    /// A pipe or a device, which can be read only once.
    #[error("{}: this is a pipe, and a job may read its inputs again: save it as a file", path.display())]
    Pipe {
        /// Its path.
        path: PathBuf,
    },
    /// No file matches a pattern.
    #[error("{pattern}: no file matches this pattern; check the pattern and the folder")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// A pattern is not valid.
    #[error("{pattern}: the pattern is not valid: {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        problem: String,
    },
    /// A file that was named is neither an image nor a video nor a tar archive.
    #[error(
        "{}: expected an image, a video, a folder or a tar archive; pass a file that names inputs as a list or a manifest",
        path.display()
    )]
    NotMedia {
        /// The file.
        path: PathBuf,
    },
    /// A compressed file or archive, or a compressed member of an archive.
    #[error("{name}: {format} files are not read: {advice}")]
    Compressed {
        /// The file.
        name: String,
        /// The format.
        format: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A tar archive is damaged or cut off.
    #[error("{}: the tar archive is damaged or cut off: {problem}", archive.display())]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A member of a tar archive is stored in a way that is not read.
    #[error("{name}: {problem}")]
    Member {
        /// The archive and the member.
        name: String,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// A URL with another protocol than http and https.
    #[error("{url}: expected a URL that starts with http:// or https://, found {scheme}:")]
    Scheme {
        /// The URL.
        url: String,
        /// Its protocol.
        scheme: String,
    },
    /// A URL is not valid.
    #[error("{url}: {problem}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A data URI is not valid.
    #[error("{uri}: {problem}")]
    DataUri {
        /// The start of the URI.
        uri: String,
        /// What is wrong.
        problem: String,
    },
    /// The build does not have the feature.
    #[error("{name}: {what} need a build with the cargo feature `{feature}` of glm4v-collect")]
    NoFeature {
        /// The input.
        name: String,
        /// What needs the feature.
        what: &'static str,
        /// The feature.
        feature: &'static str,
    },
    /// The host of a URL has an address that is not public.
    #[error(
        "{url}: the host has the address {address}, which is not public; allow private hosts if you trust every URL of the job"
    )]
    PrivateAddress {
        /// The URL.
        url: String,
        /// The address.
        address: std::net::IpAddr,
    },
    /// A redirect that is not followed.
    #[error("{url}: redirected {problem}")]
    Redirect {
        /// The URL that was requested.
        url: String,
        /// The reason.
        problem: String,
    },
    /// The server did not send the content.
    #[error("{url}: expected status 200, found {status}")]
    Status {
        /// The URL that was requested.
        url: String,
        /// The status.
        status: u16,
    },
    /// The server compressed the content, although it was not asked to.
    #[error("{url}: expected a response without Content-Encoding, found `{encoding}`")]
    Encoding {
        /// The URL that was requested.
        url: String,
        /// The encoding.
        encoding: String,
    },
    /// The content is larger than [`FetchLimits::max_bytes`](crate::FetchLimits::max_bytes).
    #[error("{name}: more than {limit} bytes; raise the limit if the input is trusted")]
    TooLarge {
        /// The input.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// Fetching a URL took longer than [`FetchLimits::timeout`](crate::FetchLimits::timeout).
    #[error("{url}: not fetched within {seconds} seconds")]
    Timeout {
        /// The URL that was requested.
        url: String,
        /// The limit.
        seconds: f64,
    },
    /// The connection ended too early.
    #[error("{url}: the connection ended after {found} of {expected} bytes")]
    Truncated {
        /// The URL that was requested.
        url: String,
        /// The bytes of the response.
        expected: u64,
        /// The bytes that arrived.
        found: u64,
    },
    /// The connection failed.
    #[error("{url}: cannot be fetched: {source}")]
    Connection {
        /// The URL that was requested.
        url: String,
        /// The error of the connection.
        source: io::Error,
    },
    /// The format of a manifest is not known.
    #[error(
        "{}: expected a manifest with the extension .jsonl, .ndjson, .csv, .tsv or .parquet",
        manifest.display()
    )]
    ManifestFormat {
        /// The manifest.
        manifest: PathBuf,
    },
    /// A manifest cannot be read.
    #[error("{}: the manifest cannot be read: {problem}", manifest.display())]
    Manifest {
        /// The manifest.
        manifest: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A manifest does not have a column.
    #[error("expected a column {expected}, found {found}")]
    Column {
        /// The names that are accepted.
        expected: String,
        /// The names of the columns.
        found: String,
    },
    /// A value in a manifest or a list is not valid.
    #[error("expected {expected}, found {found}")]
    Value {
        /// The accepted values.
        expected: String,
        /// The value.
        found: String,
    },
    /// An error in one line of a list, or one row of a manifest.
    #[error("{list}, {unit} {number}: {source}")]
    At {
        /// The list or manifest.
        list: String,
        /// `line`, `row` or `path`.
        unit: &'static str,
        /// The number of the line, counted from 1.
        number: u64,
        /// What is wrong in the line.
        source: Box<CollectError>,
    },
    /// Two entries have the same id.
    #[error(
        "two inputs have the id `{id}`: {first} and {second}; name their common parent folder with -r, leave one of them out, \
         or give each its own id in a manifest"
    )]
    DuplicateId {
        /// The id.
        id: String,
        /// The name of the first input.
        first: String,
        /// The name of the second input.
        second: String,
    },
}

impl CollectError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }

    pub(crate) fn value(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Value {
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Whether the machine failed, and not the input: its disk is full, or the process may not open more files. Other inputs
    /// would fail in the same way.
    #[must_use]
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Connection { source, .. } => is_machine_fault(source),
            Self::At { source, .. } => source.is_of_machine(),
            Self::NotListed { .. }
            | Self::NotFound { .. }
            | Self::StandardInput
            | Self::Pipe { .. }
            | Self::NoMatch { .. }
            | Self::Pattern { .. }
            | Self::NotMedia { .. }
            | Self::Compressed { .. }
            | Self::Archive { .. }
            | Self::Member { .. }
            | Self::Scheme { .. }
            | Self::Url { .. }
            | Self::DataUri { .. }
            | Self::NoFeature { .. }
            | Self::PrivateAddress { .. }
            | Self::Redirect { .. }
            | Self::Status { .. }
            | Self::Encoding { .. }
            | Self::TooLarge { .. }
            | Self::Timeout { .. }
            | Self::Truncated { .. }
            | Self::ManifestFormat { .. }
            | Self::Manifest { .. }
            | Self::Column { .. }
            | Self::Value { .. }
            | Self::DuplicateId { .. } => false,
        }
    }

    /// Whether another attempt to read the entry may succeed: the network or the server failed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Truncated { .. } | Self::Connection { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            Self::At { source, .. } => source.is_temporary(),
            Self::Io { .. }
            | Self::NotListed { .. }
            | Self::NotFound { .. }
            | Self::StandardInput
            | Self::Pipe { .. }
            | Self::NoMatch { .. }
            | Self::Pattern { .. }
            | Self::NotMedia { .. }
            | Self::Compressed { .. }
            | Self::Archive { .. }
            | Self::Member { .. }
            | Self::Scheme { .. }
            | Self::Url { .. }
            | Self::DataUri { .. }
            | Self::NoFeature { .. }
            | Self::PrivateAddress { .. }
            | Self::Redirect { .. }
            | Self::Encoding { .. }
            | Self::TooLarge { .. }
            | Self::ManifestFormat { .. }
            | Self::Manifest { .. }
            | Self::Column { .. }
            | Self::Value { .. }
            | Self::DuplicateId { .. } => false,
        }
    }
}

/// What to do about an error of the operating system.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; check its permissions",
        io::ErrorKind::IsADirectory => "; name a file",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_of_the_network_are_temporary() {
        let status = |status| CollectError::Status {
            url: "http://images.example/a".into(),
            status,
        };
        assert!(status(503).is_temporary() && status(429).is_temporary());
        assert!(!status(404).is_temporary());
        let at = CollectError::At {
            list: "list".into(),
            unit: "line",
            number: 3,
            source: Box::new(status(500)),
        };
        assert!(at.is_temporary());
        assert!(!CollectError::StandardInput.is_temporary());
    }
}
