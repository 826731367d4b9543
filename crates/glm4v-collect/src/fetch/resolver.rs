use std::net::IpAddr;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Looks up the addresses of a host, and refuses the host if one of them does not pass. The connection goes to one of
/// these addresses: the host is not looked up again.
#[derive(Debug)]
pub(super) struct JudgedResolver<R> {
    pub(super) lookup: R,
    pub(super) judge: fn(IpAddr) -> bool,
}

/// An address that does not pass.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not public")]
pub(super) struct NotPublic(pub(super) IpAddr);

impl<R: Resolver> Resolver for JudgedResolver<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.lookup.resolve(uri, config, timeout)?;
        let refused = found.iter().find(|found| !(self.judge)(found.ip()));
        match refused {
            Some(refused) => Err(ureq::Error::Other(Box::new(NotPublic(refused.ip())))),
            None => Ok(found),
        }
    }
}
