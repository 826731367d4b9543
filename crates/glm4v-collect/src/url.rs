//! http and https URLs as text. Nothing is fetched here.

use crate::CollectError;

/// The protocol of a URL: `https` of `https://images.example/`. `None` for other texts, such as paths.
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let scheme = prefix(text)?;
    text[scheme.len()..].starts_with("://").then_some(scheme)
}

/// What may be the protocol of a URL: `data` of `data:,text`.
fn prefix(text: &str) -> Option<&str> {
    let (prefix, _) = text.split_once(':')?;
    let valid = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
    let is_scheme = prefix.len() > 1
        && prefix.starts_with(|first: char| first.is_ascii_alphabetic())
        && prefix.chars().all(valid);
    is_scheme.then_some(prefix)
}

/// Refuses a URL that must not be fetched: with another protocol, without a host, or with a user name or a password.
pub(crate) fn check(url: &str) -> Result<(), CollectError> {
    let refuse = |problem| {
        Err(CollectError::Url {
            url: shown(url),
            problem,
        })
    };
    let scheme = prefix(url).unwrap_or_default();
    if !["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(CollectError::Scheme {
            url: shown(url),
            scheme: scheme.to_owned(),
        });
    }
    let authority = authority(url);
    if authority.contains('@') {
        return refuse("the URL contains a user name or a password; remove it");
    }
    if authority.is_empty() || authority.starts_with(':') {
        return refuse("the URL has no host");
    }
    if !has_valid_port(authority) {
        return refuse("the URL has a port that is no number up to 65535");
    }
    Ok(())
}

/// Whether a host has no port or one that can be connected to.
fn has_valid_port(authority: &str) -> bool {
    let address_end = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[address_end..].split_once(':') {
        Some((_, port)) => {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            port.is_empty() || digits && port.parse::<u16>().is_ok()
        }
        None => true,
    }
}

/// The URL for messages: without a user name, a password and a fragment, and with `?…` for a query.
pub(crate) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "the URL".to_owned();
    };
    let authority = authority(url);
    let host = authority.rsplit('@').next().unwrap_or_default();
    let rest = &rest[authority.len()..];
    let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    let query = if rest[path.len()..].starts_with('?') {
        "?…"
    } else {
        ""
    };
    format!("{scheme}://{host}{path}{query}")
}

/// User name, host and port.
fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())]
}

/// The URL that a redirect from `base` to `location` leads to. `base` has passed [`check`].
#[cfg(feature = "http")]
pub(crate) fn join(base: &str, location: &str) -> String {
    let scheme_of_base = scheme(base).unwrap_or_default();
    if prefix(location).is_some() {
        return location.to_owned();
    }
    if location.starts_with("//") {
        return format!("{scheme_of_base}:{location}");
    }
    let authority = authority(base);
    let start = scheme_of_base.len() + "://".len() + authority.len();
    let rest = &base[start..];
    let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    let end = location.find(['?', '#']).unwrap_or(location.len());
    let (target, suffix) = location.split_at(end);
    let joined = if target.is_empty() {
        path.to_owned()
    } else if target.starts_with('/') {
        target.to_owned()
    } else {
        let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
        format!("{folder}{target}")
    };
    let suffix = match (target, suffix) {
        ("", suffix) if !suffix.starts_with('?') => format!("{}{suffix}", query(rest)),
        (_, suffix) => suffix.to_owned(),
    };
    format!(
        "{scheme_of_base}://{authority}{}{suffix}",
        without_dots(&joined)
    )
}

#[cfg(feature = "http")]
fn query(rest: &str) -> &str {
    let end = rest.find('#').unwrap_or(rest.len());
    let start = rest[..end].find('?').unwrap_or(end);
    &rest[start..end]
}

/// A path without `.` and `..`.
#[cfg(feature = "http")]
fn without_dots(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let mut kept: Vec<&str> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// The URL as it is sent: without a fragment, and with `%` and two hexadecimal digits for characters that a URL must not
/// contain.
#[cfg(feature = "http")]
pub(crate) fn encoded(url: &str) -> String {
    use std::fmt::Write;
    let url = url.split('#').next().unwrap_or_default();
    let end_of_host = url.len() - {
        let (_, rest) = url.split_once("://").unwrap_or_default();
        rest.len() - authority(url).len()
    };
    let (host, rest) = url.split_at(end_of_host);
    let mut encoded = host.to_owned();
    for &byte in rest.as_bytes() {
        match byte {
            0..=b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f.. => {
                write!(encoded, "%{byte:02X}").expect("a string grows");
            }
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_a_protocol_are_urls() {
        assert_eq!(scheme("https://a.example/b"), Some("https"));
        assert_eq!(scheme("s3://bucket/key"), Some("s3"));
        for path in ["a/b.jpg", "C://a.jpg", "://a", "a b://c", "1a://b", ""] {
            assert_eq!(scheme(path), None, "{path}");
        }
    }

    #[test]
    fn only_urls_that_may_be_fetched_pass() {
        for url in [
            "http://a.example",
            "HTTPS://a.example:8443/b?c@d",
            "http://[::1]/a@b",
            "http://a:/",
            "http://[::1]:65535",
        ] {
            check(url).unwrap();
        }
        let message = |url| check(url).unwrap_err().to_string();
        assert_eq!(
            message("s3://bucket/cat.jpg"),
            "s3://bucket/cat.jpg: expected a URL that starts with http:// or https://, found s3:"
        );
        assert_eq!(
            message("https://me:secret@a.example/b?token=secret#c"),
            "https://a.example/b?…: the URL contains a user name or a password; remove it"
        );
        for url in [
            "http://a.example:65536",
            "http://[::1]:x/",
            "http://a:+1/",
            "http://a:1:2/",
        ] {
            let message = message(url);
            assert!(
                message.ends_with(": the URL has a port that is no number up to 65535"),
                "{message}"
            );
        }
        for url in [
            "http://",
            "http:///a",
            "http://:80/",
            "http://?a",
            "http://\\a",
            "http:a",
        ] {
            let message = message(url);
            assert!(message.ends_with(": the URL has no host"), "{message}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for (url, expected) in [
            ("https://a.example", "https://a.example"),
            (
                "https://a.example/b?X-Amz-Signature=secret",
                "https://a.example/b?…",
            ),
            ("https://a.example/b#secret?secret", "https://a.example/b"),
            ("https://u:secret@a.example:1/", "https://a.example:1/"),
            ("https://u@secret@a.example/", "https://a.example/"),
            ("https://a.example?secret", "https://a.example?…"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[cfg(feature = "http")]
    #[test]
    fn redirects_are_resolved_as_in_rfc_3986() {
        // The examples of its section 5.4, for the http protocol.
        let base = "http://a/b/c/d;p?q";
        for (location, target) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("https://g/h", "https://g/h"),
            ("data:,x", "data:,x"),
        ] {
            assert_eq!(join(base, location), target, "{location}");
        }
        assert_eq!(join("http://a", "g"), "http://a/g");
        assert_eq!(join("http://a?q", "g"), "http://a/g");
    }

    #[cfg(feature = "http")]
    #[test]
    fn characters_are_encoded_as_browsers_do() {
        assert_eq!(
            encoded("http://a.example/my cat é.jpg?q=<b>&c=%20#top"),
            "http://a.example/my%20cat%20%C3%A9.jpg?q=%3Cb%3E&c=%20"
        );
        assert_eq!(encoded("http://ä.example/ä"), "http://ä.example/%C3%A4");
    }
}
