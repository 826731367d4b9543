//! Fetches URLs from addresses that are judged first.

mod resolver;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::net::IpAddr;
use std::time::Instant;

use ureq::http::{Request, Response, Uri, header};
use ureq::unversioned::resolver::{DefaultResolver, Resolver};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use crate::{CollectError, FetchLimits, is_public, url};
use resolver::{JudgedResolver, NotPublic};

/// Fetches URLs. Clones share connections.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    agent: Agent,
    limits: FetchLimits,
}

impl Fetcher {
    pub(crate) fn new(limits: &FetchLimits) -> Self {
        let judge: fn(IpAddr) -> bool = if limits.allow_private_hosts {
            |_| true
        } else {
            is_public
        };
        let lookup = DefaultResolver::default();
        Self::with_resolver(limits, JudgedResolver { lookup, judge })
    }

    fn with_resolver(limits: &FetchLimits, resolver: impl Resolver) -> Self {
        // A proxy would look up the host itself, so that its address could not be judged.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .accept_encoding("identity")
            .user_agent(concat!("glm4v/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .build();
        Self {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
            limits: limits.clone(),
        }
    }

    /// The content at a URL, after redirects.
    pub(crate) fn get(&self, url: &str) -> Result<Vec<u8>, CollectError> {
        let start = Instant::now();
        let mut target = url.to_owned();
        for _ in 0..=self.limits.max_redirects {
            let request = Exchange {
                limits: &self.limits,
                url: &target,
                start,
            };
            let response = request.send(&self.agent)?;
            match response.status().as_u16() {
                200 => return request.body(response),
                301 | 302 | 303 | 307 | 308 => target = request.redirect(&response)?,
                status => {
                    let url = url::shown(&target);
                    return Err(CollectError::Status { url, status });
                }
            }
        }
        Err(CollectError::Redirect {
            url: url::shown(url),
            problem: format!("more than {} times", self.limits.max_redirects),
        })
    }
}

/// One request of a fetch, and its response.
struct Exchange<'a> {
    limits: &'a FetchLimits,
    url: &'a str,
    /// The start of the whole fetch.
    start: Instant,
}

impl Exchange<'_> {
    fn send(&self, agent: &Agent) -> Result<Response<Body>, CollectError> {
        url::check(self.url)?;
        let uri: Uri = url::encoded(self.url)
            .parse()
            .map_err(|_| CollectError::Url {
                url: self.shown(),
                problem: "the URL is not valid",
            })?;
        let left = self.limits.timeout.saturating_sub(self.start.elapsed());
        if left.is_zero() {
            return Err(self.timeout());
        }
        let request = Request::get(uri).body(());
        let request = request.map_err(|error| self.failed(error.into()))?;
        let request = agent
            .configure_request(request)
            .timeout_global(Some(left))
            .build();
        agent.run(request).map_err(|error| self.failed(error))
    }

    fn redirect(&self, response: &Response<Body>) -> Result<String, CollectError> {
        let refuse = |problem: String| CollectError::Redirect {
            url: self.shown(),
            problem,
        };
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|location| str::from_utf8(location.as_bytes()).ok());
        let location = location.ok_or_else(|| refuse("without a target".to_owned()))?;
        let target = url::join(self.url, location);
        url::check(&target)
            .map_err(|error| refuse(format!("to a URL that is refused: {error}")))?;
        Ok(target)
    }

    fn body(&self, response: Response<Body>) -> Result<Vec<u8>, CollectError> {
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        if let Some(encoding) = encoding.filter(|encoding| *encoding != "identity") {
            return Err(CollectError::Encoding {
                url: self.shown(),
                encoding: encoding.as_bytes().escape_ascii().to_string(),
            });
        }
        let limit = self.limits.max_bytes;
        let too_large = || CollectError::TooLarge {
            name: self.shown(),
            limit,
        };
        let announced = response.body().content_length();
        if announced.is_some_and(|announced| announced > limit) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let body = response.into_body().into_reader();
        let read = body.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        let found = bytes.len() as u64;
        if found > limit {
            return Err(too_large());
        }
        match (read.map_err(ureq::Error::from), announced) {
            (Err(ureq::Error::Timeout(_)), _) => Err(self.timeout()),
            (_, Some(expected)) if found < expected => Err(CollectError::Truncated {
                url: self.shown(),
                expected,
                found,
            }),
            (Err(error), _) => Err(self.failed(error)),
            (Ok(_), _) => Ok(bytes),
        }
    }

    fn failed(&self, error: ureq::Error) -> CollectError {
        let url = self.shown();
        match error {
            ureq::Error::Timeout(_) => self.timeout(),
            ureq::Error::BadUri(_) => CollectError::Url {
                url,
                problem: "the URL is not valid",
            },
            ureq::Error::Other(error) if error.is::<NotPublic>() => {
                let NotPublic(address) = *error.downcast().expect("checked before");
                CollectError::PrivateAddress { url, address }
            }
            error => CollectError::Connection {
                url,
                source: error.into_io(),
            },
        }
    }

    fn timeout(&self) -> CollectError {
        CollectError::Timeout {
            url: self.shown(),
            seconds: self.limits.timeout.as_secs_f64(),
        }
    }

    fn shown(&self) -> String {
        url::shown(self.url)
    }
}
