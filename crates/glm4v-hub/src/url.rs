use ureq::http::Uri;

/// An absolute http or https URL.
pub(crate) fn parse(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    (known && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

/// The target of a redirect from `base` to `location`.
pub(crate) fn join(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    if location.contains("://") && !location.starts_with(['/', '?', '.']) {
        return parse(location);
    }
    let absolute = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else {
        let (folder, _) = base.path().rsplit_once('/')?;
        format!("{scheme}://{authority}{folder}/{location}")
    };
    parse(&absolute)
}

/// Whether both have the same host, port and protocol. Then a secret for one may be sent to the other.
pub(crate) fn same_origin(one: &Uri, other: &Uri) -> bool {
    let origin = |uri: &Uri| {
        let scheme = uri.scheme_str().unwrap_or_default().to_owned();
        let default = if scheme == "https" { 443 } else { 80 };
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        (scheme, host, uri.port_u16().unwrap_or(default))
    };
    origin(one) == origin(other)
}

/// The URL for an error message. It has no query, which may be a signature, and no user, which may have a password.
pub(crate) fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let port = uri
        .port_u16()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{scheme}://{host}{port}{}", uri.path())
}

/// `text` as one segment of a path.
pub(crate) fn encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved_as_browsers_do() {
        let base = parse("https://hub.example/a/resolve/main/config.json?x=1").unwrap();
        for (location, target) in [
            ("https://cdn.example/b?sig=1", "https://cdn.example/b?sig=1"),
            ("//cdn.example/b", "https://cdn.example/b"),
            ("/api/b", "https://hub.example/api/b"),
            (
                "/api/b?u=http://x/",
                "https://hub.example/api/b?u=http://x/",
            ),
            (
                "other.json#top",
                "https://hub.example/a/resolve/main/other.json",
            ),
            ("?y=2", "https://hub.example/a/resolve/main/config.json?y=2"),
        ] {
            assert_eq!(join(&base, location).unwrap().to_string(), target);
        }
        assert!(join(&base, "ftp://cdn.example/b").is_none());
        assert!(join(&base, "https://").is_none());
    }

    #[test]
    fn an_origin_is_protocol_host_and_port() {
        let same = |one, other| same_origin(&parse(one).unwrap(), &parse(other).unwrap());
        assert!(same("https://hub.example/a", "https://HUB.example:443/b"));
        assert!(!same("https://hub.example/", "http://hub.example/"));
        assert!(!same("https://hub.example/", "https://hub.example:8443/"));
        assert!(!same("https://hub.example/", "https://hub.example.evil/"));
        assert!(!same(
            "https://hub.example/",
            "https://hub.example@evil.example/"
        ));
    }

    #[test]
    fn secrets_are_not_shown() {
        let uri = parse("https://me:secret@hub.example:8443/a?X-Amz-Signature=secret").unwrap();
        assert_eq!(shown(&uri), "https://hub.example:8443/a");
    }
}
