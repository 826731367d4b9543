use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::fetch::Fetcher;
use crate::fetch::resolver::JudgedResolver;
use crate::{FetchLimits, is_public};

/// The addresses of a host, and how often any host was looked up before.
type Answer = fn(&str, usize) -> Vec<&'static str>;

/// Knows hosts without asking the network.
#[derive(Clone, Debug)]
pub(super) struct Names {
    answer: Answer,
    lookups: Arc<AtomicUsize>,
}

impl Names {
    pub(super) fn new(answer: Answer) -> Self {
        Self {
            answer,
            lookups: Arc::default(),
        }
    }

    pub(super) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let lookup = self.lookups.fetch_add(1, Ordering::SeqCst);
        let mut found = self.empty();
        for address in (self.answer)(uri.host().unwrap(), lookup) {
            let address: IpAddr = address.parse().unwrap();
            found.push(SocketAddr::new(address, uri.port_u16().unwrap_or(80)));
        }
        if found.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(found)
    }
}

/// A fetcher for which the address of the test server, 127.0.0.1, is public. Other loopback addresses are not.
pub(super) fn fetcher(limits: &FetchLimits, lookup: Names) -> Fetcher {
    let judge = |address| address == IpAddr::V4(Ipv4Addr::LOCALHOST) || is_public(address);
    Fetcher::with_resolver(limits, JudgedResolver { lookup, judge })
}
