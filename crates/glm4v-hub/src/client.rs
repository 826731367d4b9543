use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use ureq::http::header::{AUTHORIZATION, HeaderMap};
use ureq::http::{Method, Request, Response, Uri};
use ureq::{Agent, Body, Proxy};

use crate::error::printable;
use crate::{HubError, Settings, Token, Transfer, certificates, url};

/// Sends requests to the hub, and to the hosts that it redirects to.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: Agent,
    endpoint: String,
    token: Option<Token>,
}

/// A response, and the URL after all redirects.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) url: Uri,
    response: Response<Body>,
}

/// A range of a file.
pub(crate) struct RangeBody {
    /// The URL for messages.
    pub(crate) url: String,
    /// The length of the whole file.
    pub(crate) file_bytes: u64,
    pub(crate) body: Box<dyn Read>,
}

const REDIRECTS: usize = 5;
const LONGEST_REDIRECT_BODY: u64 = 64 << 10;

impl Client {
    pub(crate) fn new(settings: &Settings) -> Result<Self, HubError> {
        let Transfer {
            connections,
            connect_timeout,
            read_timeout,
            ..
        } = settings.transfer;
        // `follow` handles redirects, because it must not send the token to other hosts.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .accept_encoding("identity")
            .user_agent(concat!("glm4v/", env!("CARGO_PKG_VERSION")))
            .tls_config(certificates::tls(settings.certificates.as_deref())?)
            .proxy(settings.proxies.then(Proxy::try_from_env).flatten())
            .timeout_resolve(Some(connect_timeout))
            .timeout_connect(Some(connect_timeout))
            .timeout_per_read(Some(read_timeout))
            .timeout_per_write(Some(read_timeout))
            .max_idle_connections(2 * connections)
            .max_idle_connections_per_host(connections)
            .build();
        Ok(Self {
            agent: config.new_agent(),
            endpoint: settings.endpoint.trim_end_matches('/').to_owned(),
            token: settings.token.clone(),
        })
    }

    /// A path below the endpoint.
    pub(crate) fn url(&self, path: &str) -> Uri {
        let text = format!("{}/{path}", self.endpoint);
        url::parse(&text).expect("a checked endpoint and an encoded path")
    }

    /// Requests the headers of a file. Follows redirects until `is_enough` accepts a response, or to the last one.
    pub(crate) fn head(
        &self,
        url: &Uri,
        is_enough: impl Fn(&Reply) -> bool,
    ) -> Result<Reply, HubError> {
        self.follow(&Method::HEAD, url, None, is_enough)
    }

    /// Fetches a small file, of at most `longest` bytes.
    pub(crate) fn small(&self, url: &Uri, longest: u64) -> Result<String, HubError> {
        let reply = self.follow(&Method::GET, url, None, |_| false)?;
        reply.check(self)?;
        let url = reply.shown();
        let announced = reply.response.body().content_length();
        let mut bytes = Vec::new();
        let body = reply.response.into_body().into_reader();
        let read = body.take(longest + 1).read_to_end(&mut bytes);
        let found = bytes.len() as u64;
        if found > longest {
            return Err(HubError::Response {
                url,
                expected: format!("at most {longest} bytes"),
                found: "more".to_owned(),
            });
        }
        match (read, announced) {
            (_, Some(expected)) if found < expected => Err(HubError::Truncated {
                url,
                expected,
                found,
            }),
            (Err(source), _) => Err(HubError::Connection { url, source }),
            (Ok(_), _) => String::from_utf8(bytes).map_err(|_| HubError::Response {
                url,
                expected: "text".to_owned(),
                found: "bytes that are not UTF-8".to_owned(),
            }),
        }
    }

    /// Requests the bytes `range` of a file. With `may_end`, the file may end inside the range.
    pub(crate) fn range(
        &self,
        url: &Uri,
        range: Range<u64>,
        may_end: bool,
    ) -> Result<RangeBody, HubError> {
        let reply = self.follow(&Method::GET, url, Some(&range), |_| false)?;
        reply.check(self)?;
        let url = reply.shown();
        if reply.response.status() != 206 {
            return Err(HubError::NoRanges { url });
        }
        let refuse = |expected: String, found: Option<&str>| HubError::Response {
            url: url.clone(),
            expected,
            found: found.map_or_else(
                || "none".to_owned(),
                |found| format!("`{}`", printable(found)),
            ),
        };
        if let Some(encoding) = reply
            .header("content-encoding")
            .filter(|&name| name != "identity")
        {
            return Err(refuse(
                "bytes without Content-Encoding".to_owned(),
                Some(encoding),
            ));
        }
        let found = reply.header("content-range");
        let whole = found.and_then(|found| content_range(found, &range, may_end));
        let Some((length, file_bytes)) = whole else {
            let (first, last) = (range.start, range.end - 1);
            return Err(refuse(
                format!("Content-Range `bytes {first}-{last}/…`"),
                found,
            ));
        };
        let announced = reply.response.body().content_length();
        if announced.is_some_and(|announced| announced != length) {
            let announced = announced.map(|announced| announced.to_string());
            return Err(refuse(
                format!("Content-Length {length}"),
                announced.as_deref(),
            ));
        }
        Ok(RangeBody {
            body: Box::new(reply.response.into_body().into_reader()),
            url,
            file_bytes,
        })
    }

    fn follow(
        &self,
        method: &Method,
        url: &Uri,
        range: Option<&Range<u64>>,
        is_enough: impl Fn(&Reply) -> bool,
    ) -> Result<Reply, HubError> {
        let mut target = url.clone();
        for _ in 0..=REDIRECTS {
            let reply = self.send(method, &target, range)?;
            if !is_redirect(&reply) || is_enough(&reply) {
                return Ok(reply);
            }
            target = reply.target()?;
            reply.finish();
        }
        Err(HubError::Redirect {
            url: url::shown(url),
            problem: format!("more than {REDIRECTS} times"),
        })
    }

    fn send(
        &self,
        method: &Method,
        url: &Uri,
        range: Option<&Range<u64>>,
    ) -> Result<Reply, HubError> {
        let failed = |error: ureq::Error| HubError::Connection {
            url: url::shown(url),
            source: without_url(error),
        };
        let mut request = Request::builder().method(method).uri(url);
        if let Some(range) = range {
            request = request.header("range", format!("bytes={}-{}", range.start, range.end - 1));
        }
        if let Some(token) = self.token.as_ref().filter(|_| self.is_hub(url)) {
            request = request.header(AUTHORIZATION, token.header());
        }
        let request = request.body(()).map_err(|error| failed(error.into()))?;
        let response = self.agent.run(request).map_err(failed)?;
        let url = url.clone();
        Ok(Reply { url, response })
    }

    fn is_hub(&self, url: &Uri) -> bool {
        url::same_origin(url, &self.url(""))
    }
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        text(self.response.headers(), name)
    }

    pub(crate) fn shown(&self) -> String {
        url::shown(&self.url)
    }

    /// Refuses a status that means failure.
    pub(crate) fn check(&self, client: &Client) -> Result<(), HubError> {
        let (url, status) = (self.shown(), self.status());
        let message = self
            .header("x-error-message")
            .or(self.header("x-error-code"));
        let message =
            message.map_or_else(String::new, |message| format!(" ({})", printable(message)));
        match status {
            200 | 206 => Ok(()),
            401 | 403 if client.is_hub(&self.url) => Err(HubError::Denied {
                url,
                status,
                message,
                advice: match client.token {
                    None => {
                        "the model is private or gated, or does not exist; check the name, and set HF_TOKEN to a token that may read it"
                    }
                    Some(_) => {
                        "the model is private or gated, or does not exist; check the name, and check that the token of HF_TOKEN may read it"
                    }
                },
            }),
            404 => Err(HubError::NotFound { url, message }),
            _ => Err(HubError::Status {
                url,
                status,
                message,
                retry_after: self.retry_after(),
            }),
        }
    }

    /// Reads the body of a redirect, so that the next request can use the same connection.
    fn finish(self) {
        let body = self.response.into_body().into_reader();
        let _ = std::io::copy(&mut body.take(LONGEST_REDIRECT_BODY), &mut std::io::sink());
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    fn target(&self) -> Result<Uri, HubError> {
        let refuse = |problem: &str| HubError::Redirect {
            url: self.shown(),
            problem: problem.to_owned(),
        };
        let location = self
            .header("location")
            .ok_or_else(|| refuse("without target: no Location"))?;
        let target = url::join(&self.url, location)
            .ok_or_else(|| refuse("to a URL that is not http or https"))?;
        if self.url.scheme_str() == Some("https") && target.scheme_str() != Some("https") {
            return Err(refuse("from https to http, which is not secure"));
        }
        Ok(target)
    }
}

fn is_redirect(reply: &Reply) -> bool {
    matches!(reply.status(), 301 | 302 | 303 | 307 | 308)
}

/// The lengths of the range and of the file, if `found` is a `Content-Range` for the range `requested`.
fn content_range(found: &str, requested: &Range<u64>, may_end: bool) -> Option<(u64, u64)> {
    let (unit, rest) = found.trim().split_once(' ')?;
    let (range, file_bytes) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, file_bytes): (u64, u64, u64) = (
        first.parse().ok()?,
        last.parse().ok()?,
        file_bytes.parse().ok()?,
    );
    let end = if may_end {
        requested.end.min(file_bytes)
    } else {
        requested.end
    };
    let valid = unit == "bytes"
        && first == requested.start
        && last.checked_add(1)? == end
        && end <= file_bytes;
    (valid && first < end).then(|| (end - first, file_bytes))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Hides the URL of an error, because its query may be a secret.
fn without_url(error: ureq::Error) -> std::io::Error {
    match error {
        ureq::Error::BadUri(_) => std::io::Error::other("the URL is not valid"),
        error => error.into_io(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_requested_range_is_accepted() {
        assert_eq!(
            content_range("bytes 5-9/20", &(5..10), false),
            Some((5, 20))
        );
        for found in [
            "bytes 5-9/*",
            "bytes */20",
            "bytes 4-9/20",
            "bytes 5-8/20",
            "bytes 5-10/20",
            "items 5-9/20",
            "bytes 5-9/9",
            "bytes 5-9",
            "5-9/20",
            "",
            "bytes 5-18446744073709551615/20",
            "bytes -5-9/20",
        ] {
            assert_eq!(content_range(found, &(5..10), false), None, "{found}");
        }
    }

    #[test]
    fn a_first_request_may_be_longer_than_the_file() {
        assert_eq!(content_range("bytes 0-6/7", &(0..10), true), Some((7, 7)));
        assert_eq!(content_range("bytes 0-6/7", &(0..10), false), None);
        assert_eq!(content_range("bytes 0-6/8", &(0..10), true), None);
    }
}
