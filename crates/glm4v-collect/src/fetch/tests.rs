mod names;
mod server;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::*;
use names::{Names, fetcher};
use server::{Server, answer, redirect};

const SECRET: &str = "?token=secret";

fn limits() -> FetchLimits {
    FetchLimits {
        timeout: Duration::from_secs(20),
        ..FetchLimits::default()
    }
}

/// Fetches `/cat.jpg` from a server that answers `bytes`.
fn fetch_from(bytes: &'static [u8], limits: &FetchLimits) -> Result<Vec<u8>, CollectError> {
    let server = Server::start(move |_| bytes.to_vec());
    let url = server.url("images.example", &format!("/cat.jpg{SECRET}"));
    let result = fetcher(limits, Names::new(|_, _| vec!["127.0.0.1"])).get(&url);
    if let Err(error) = &result {
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    result
}

fn message(bytes: &'static [u8], limits: &FetchLimits) -> String {
    fetch_from(bytes, limits).unwrap_err().to_string()
}

#[test]
fn a_url_is_fetched() {
    let server = Server::start(|_| answer("200 OK", "image/gif", b"GIF89a"));
    let fetcher = fetcher(&limits(), Names::new(|_, _| vec!["127.0.0.1"]));
    let url = server.url("images.example", "/a b.gif?w=1#top");
    assert_eq!(fetcher.get(&url).unwrap(), b"GIF89a");
    let [request] = &server.requests()[..] else {
        panic!("one request");
    };
    let request = request.to_ascii_lowercase();
    assert!(
        request.starts_with("get /a%20b.gif?w=1 http/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\r\naccept-encoding: identity\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nhost: images.example:"), "{request}");
    assert!(request.contains("\r\nuser-agent: glm4v/"), "{request}");
}

#[test]
fn addresses_that_are_not_public_are_never_contacted() {
    let server = Server::start(|_| answer("200 OK", "image/gif", b"GIF89a"));
    let fetcher = Fetcher::new(&limits());
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let url = server.url(host, "/cat.gif");
        let error = fetcher.get(&url).unwrap_err();
        assert!(
            matches!(error, CollectError::PrivateAddress { .. }),
            "{url}: {error}"
        );
    }
    assert_eq!(server.requests(), [""; 0]);
    let message = fetcher
        .get("http://169.254.169.254/latest/meta-data?secret")
        .unwrap_err();
    assert_eq!(
        message.to_string(),
        "http://169.254.169.254/latest/meta-data?…: the host has the address 169.254.169.254, which is not public; \
         allow private hosts if you trust every URL of the job"
    );
}

#[test]
fn private_hosts_can_be_allowed() {
    let server = Server::start(|_| answer("200 OK", "image/gif", b"GIF89a"));
    let allowed = FetchLimits {
        allow_private_hosts: true,
        ..limits()
    };
    let url = server.url("127.0.0.1", "/cat.gif");
    assert_eq!(Fetcher::new(&allowed).get(&url).unwrap(), b"GIF89a");
}

#[test]
fn every_address_of_a_host_is_judged() {
    let server = Server::start(|_| answer("200 OK", "image/gif", b"GIF89a"));
    let names = Names::new(|_, _| vec!["127.0.0.1", "8.8.8.8", "10.0.0.7"]);
    let error = fetcher(&limits(), names)
        .get(&server.url("images.example", "/"))
        .unwrap_err();
    assert!(
        error.to_string().contains(" 10.0.0.7, which is not public"),
        "{error}"
    );
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn the_connection_goes_to_the_judged_address() {
    let server = Server::start(|_| answer("200 OK", "image/gif", b"GIF89a"));
    // A second lookup would find a private address.
    let names = Names::new(|_, lookup| match lookup {
        0 => vec!["127.0.0.1"],
        _ => vec!["127.0.0.2"],
    });
    let fetcher = fetcher(&limits(), names.clone());
    let url = server.url("images.example", "/cat.gif");
    assert_eq!(fetcher.get(&url).unwrap(), b"GIF89a");
    assert_eq!(names.lookups(), 1);
    // The next fetch judges the new address, although a connection may still be open.
    let error = fetcher.get(&url).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(" 127.0.0.2, which is not public"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn redirects_are_followed_one_by_one() {
    let server = Server::start(|path| match path {
        "/a/cat.jpg?w=1" => redirect("301 Moved", "../b/cat.jpg#top"),
        "/b/cat.jpg" => redirect("302 Found", "?w=2"),
        "/b/cat.jpg?w=2" => redirect("307 Temporary", "//cdn.example:PORT/c.gif"),
        "/c.gif" => answer("200 OK", "image/gif", b"GIF89a"),
        path => panic!("{path}"),
    });
    let names = Names::new(|_, _| vec!["127.0.0.1"]);
    let url = server.url("images.example", "/a/cat.jpg?w=1");
    let get = |max_redirects| {
        let limits = FetchLimits {
            max_redirects,
            ..limits()
        };
        fetcher(&limits, names.clone()).get(&url)
    };
    assert_eq!(get(3).unwrap(), b"GIF89a");
    let message = get(2).unwrap_err().to_string();
    assert!(
        message.ends_with("/a/cat.jpg?…: redirected more than 2 times"),
        "{message}"
    );
}

#[test]
fn a_redirect_to_a_private_address_is_refused() {
    let names = || {
        Names::new(|host, _| match host {
            "images.example" => vec!["127.0.0.1"],
            "inside.example" => vec!["192.168.1.1"],
            "169.254.169.254" => vec!["169.254.169.254"],
            _ => vec!["127.0.0.2"],
        })
    };
    for target in [
        "http://inside.example/?secret",
        "//169.254.169.254/secret?secret",
        "http://127.0.0.2/",
    ] {
        let server = Server::start(move |_| redirect("302 Found", target));
        let url = server.url("images.example", "/cat.jpg");
        let error = fetcher(&limits(), names()).get(&url).unwrap_err();
        assert!(
            matches!(error, CollectError::PrivateAddress { .. }),
            "{target}: {error}"
        );
        assert_eq!(server.requests().len(), 1, "{target}");
    }
}

#[test]
fn a_redirect_to_another_protocol_or_with_a_password_is_refused() {
    for (target, problem) in [
        (
            "ftp://a.example/b",
            "expected a URL that starts with http:// or https://, found ftp:",
        ),
        (
            "file:///etc/passwd",
            "expected a URL that starts with http:// or https://, found file:",
        ),
        (
            "data:,x",
            "expected a URL that starts with http:// or https://, found data:",
        ),
        (
            "http://me:secret@a.example/",
            "the URL contains a user name or a password; remove it",
        ),
    ] {
        let server = Server::start(move |_| redirect("302 Found", target));
        let names = Names::new(|_, _| vec!["127.0.0.1"]);
        let url = server.url("images.example", "/cat.jpg");
        let message = fetcher(&limits(), names).get(&url).unwrap_err().to_string();
        assert!(
            message.starts_with("http://images.example:")
                && message.contains("/cat.jpg: redirected to a URL that is refused: ")
                && message.ends_with(problem)
                && !message.contains("secret"),
            "{message}"
        );
    }
    let bare = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n";
    assert!(message(bare, &limits()).ends_with("/cat.jpg?…: redirected without a target"));
}

#[test]
fn responses_have_a_maximum_size() {
    let small = FetchLimits {
        max_bytes: 5,
        ..limits()
    };
    let expected = "/cat.jpg?…: more than 5 bytes; raise the limit if the input is trusted";
    // With a length, in chunks, and up to the end of the connection.
    for (long, short) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n12345"[..],
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345"[..],
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n2\r\n56\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n1\r\n5\r\n0\r\n\r\n",
        ),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n123456",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n12345",
        ),
    ] {
        let message = message(long, &small);
        assert!(message.ends_with(expected), "{message}");
        assert_eq!(fetch_from(short, &small).unwrap(), b"12345");
    }
}

#[test]
fn a_fetch_has_a_maximum_time() {
    let short = FetchLimits {
        timeout: Duration::from_millis(400),
        ..limits()
    };
    let names = || Names::new(|_, _| vec!["127.0.0.1"]);
    // A server that does not answer, one that sends a byte now and then, and one that redirects slowly for ever.
    let pause = Duration::from_millis(150);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dripping = Server::dripping(pause);
    let redirecting = Server::start(move |_| {
        std::thread::sleep(pause);
        redirect("302 Found", "/again")
    });
    for url in [
        format!(
            "http://images.example:{}/cat.jpg",
            silent.local_addr().unwrap().port()
        ),
        dripping.url("images.example", "/cat.jpg"),
        redirecting.url("images.example", "/cat.jpg"),
    ] {
        let start = Instant::now();
        let error = fetcher(&short, names()).get(&url).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(": not fetched within 0.4 seconds"),
            "{error}"
        );
        assert!(error.is_temporary());
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
    }
}

#[test]
fn other_responses_have_errors() {
    let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    assert!(message(missing, &limits()).ends_with("/cat.jpg?…: expected status 200, found 404"));
    let busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    assert!(fetch_from(busy, &limits()).unwrap_err().is_temporary());
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234";
    assert!(
        message(cut, &limits()).ends_with("/cat.jpg?…: the connection ended after 4 of 10 bytes")
    );
    let packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n1234";
    assert!(
        message(packed, &limits())
            .ends_with("/cat.jpg?…: expected a response without Content-Encoding, found `gzip`")
    );
    let noise = message(b"no HTTP at all\r\n\r\n", &limits());
    assert!(noise.contains("/cat.jpg?…: cannot be fetched: "), "{noise}");
}

#[test]
fn hosts_that_cannot_be_reached_have_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let names = Names::new(|host, _| match host {
        "unknown.example" => vec![],
        _ => vec!["127.0.0.1"],
    });
    let fetcher = fetcher(&limits(), names);
    let error = fetcher
        .get(&format!("http://a.example:{port}/b?secret"))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("http://a.example:{port}/b?…: cannot be fetched: ")),
        "{error}"
    );
    let error = fetcher.get("http://unknown.example/b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "http://unknown.example/b: cannot be fetched: host not found"
    );
    for url in ["http://a b/", "http://ä.example/", "http://a%zz/"] {
        let error = fetcher.get(url).unwrap_err();
        assert!(
            error.to_string().ends_with(": the URL is not valid"),
            "{error}"
        );
    }
}
