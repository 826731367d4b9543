use std::path::PathBuf;

use crate::{Token, Transfer};

/// Where checkpoints are looked for, asked for and kept.
///
/// [`Settings::from_env`] reads them from the environment; [`Settings::new`] knows nothing of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The hub (`HF_ENDPOINT`), without a slash at its end.
    pub endpoint: String,
    /// Sent to the hub, and to no other host.
    pub token: Option<Token>,
    /// The cache of Hugging Face's own programs (`HF_HUB_CACHE`), which is read and never written.
    pub hf_cache: PathBuf,
    /// Our own cache (`GLM4V_CACHE`).
    pub cache: PathBuf,
    /// Whether the network is off limits (`HF_HUB_OFFLINE`).
    pub offline: bool,
    /// Whether the proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are used.
    pub proxies: bool,
    /// Certificates to trust in place of Mozilla's, in PEM (`SSL_CERT_FILE`). Read when the network is used.
    pub certificates: Option<PathBuf>,
    /// How files are fetched.
    pub transfer: Transfer,
}

/// The hub that is asked where nothing else is said.
pub(crate) const ENDPOINT: &str = "https://huggingface.co";

impl Settings {
    /// The public hub, no token, no proxies, and these two caches.
    #[must_use]
    pub fn new(hf_cache: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: ENDPOINT.to_owned(),
            token: None,
            hf_cache: hf_cache.into(),
            cache: cache.into(),
            offline: false,
            proxies: false,
            certificates: None,
            transfer: Transfer::default(),
        }
    }
}
