use std::path::PathBuf;

use crate::{Token, Transfer};

/// The hub, the caches, and how files are fetched.
///
/// [`Settings::from_env`] reads them from the environment. [`Settings::new`] does not use the environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The hub (`HF_ENDPOINT`), without a slash at its end.
    pub endpoint: String,
    /// Sent to the hub, and to no other host.
    pub token: Option<Token>,
    /// The cache of Hugging Face's programs (`HF_HUB_CACHE`). It is read and never written.
    pub hf_cache: PathBuf,
    /// Our tower cache (`GLM4V_CACHE`).
    pub cache: PathBuf,
    /// Whether the network must not be used (`HF_HUB_OFFLINE`).
    pub offline: bool,
    /// Whether the proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are used.
    pub proxies: bool,
    /// A PEM file of certificates to trust instead of Mozilla's (`SSL_CERT_FILE`). It is read when the network is used.
    pub certificates: Option<PathBuf>,
    /// How files are fetched.
    pub transfer: Transfer,
}

/// The default hub.
pub(crate) const ENDPOINT: &str = "https://huggingface.co";

impl Settings {
    /// Settings for the public hub and these two caches, without token and proxies.
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
