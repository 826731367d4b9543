use std::time::Duration;

/// What [`MediaReader`](crate::MediaReader) may fetch and keep in memory.
///
/// ```
/// use std::time::Duration;
///
/// use glm4v_collect::FetchLimits;
///
/// let limits = FetchLimits { timeout: Duration::from_secs(10), ..FetchLimits::default() };
/// assert_eq!(limits.max_bytes, 256 << 20);
/// assert!(!limits.allow_private_hosts);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// The maximum size of a response, of a member of an archive, and of the content of a data URI. 256 MiB by default.
    pub max_bytes: u64,
    /// The maximum time for one URL, with all its redirects and its body. 60 seconds by default.
    pub timeout: Duration,
    /// The maximum number of redirects. 5 by default.
    pub max_redirects: usize,
    /// Fetch from addresses that are not public too ([`is_public`](crate::is_public)). False by default: a URL in a
    /// list from somebody else could name a service in your own network.
    pub allow_private_hosts: bool,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            timeout: Duration::from_secs(60),
            max_redirects: 5,
            allow_private_hosts: false,
        }
    }
}
