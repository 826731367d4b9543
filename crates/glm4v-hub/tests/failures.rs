//! Servers that fail.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use glm4v_hub::{Hub, HubError, Token};
use support::{
    Answer, COMMIT, Caches, Heard, Request, SHARDED, SINGLE, Server, assert_fetched, golden, model,
    refused, tower_bytes,
};

/// Fetches from a server that fails a few times, then succeeds.
fn endured(
    name: &str,
    script: impl Fn(usize, &Request, Answer) -> Answer + Send + Sync + 'static,
) -> Vec<String> {
    let requests = AtomicUsize::new(0);
    let server = Server::new(golden(name), move |request, answer| {
        script(requests.fetch_add(1, Ordering::SeqCst), request, answer)
    });
    let (caches, heard) = (Caches::new(), Heard::default());
    let dir = caches
        .hub(&server.url())
        .fetch(&model(), None, &heard)
        .unwrap();
    assert_fetched(&dir, &golden(name));
    // Bytes that came before a cut are not fetched or counted again.
    assert_eq!(heard.bytes.into_inner(), tower_bytes(&golden(name)));
    heard.errors.into_inner().unwrap()
}

#[test]
fn what_is_not_there_is_named() {
    let (error, _) = refused(SINGLE, |_, _| {
        Answer::new(404).with("X-Error-Code", "RevisionNotFound")
    });
    let message = error.to_string();
    assert!(matches!(error, HubError::NotFound { .. }));
    assert!(
        message.contains("/zai-org/tiny/resolve/main/config.json: 404 (RevisionNotFound)"),
        "{message}"
    );
    for (file, problem) in [
        (
            "preprocessor_config.json",
            format!("{COMMIT}/preprocessor_config.json: expected processor_config.json with"),
        ),
        (
            "model.safetensors.index.json",
            format!("zai-org/tiny at {COMMIT}: expected model.safetensors or"),
        ),
    ] {
        let (error, _) = refused(SHARDED, move |request, answer| {
            match request.file() == file {
                true => Answer::new(404),
                false => answer,
            }
        });
        assert!(error.to_string().contains(&problem), "{error}");
    }
}

#[test]
fn what_may_not_be_read_asks_for_a_token() {
    for status in [401, 403] {
        let (error, server) = refused(SINGLE, move |_, _| {
            Answer::new(status).with("X-Error-Message", "Access is restricted")
        });
        let message = error.to_string();
        assert!(
            message.contains(&format!("{status} (Access is restricted)")),
            "{message}"
        );
        assert!(message.contains("set HF_TOKEN"), "{message}");
        assert_eq!(server.requests().len(), 1);
    }
    let (server, caches) = (
        Server::new(golden(SINGLE), |_, _| Answer::new(403)),
        Caches::new(),
    );
    let mut settings = caches.settings(&server.url());
    settings.token = Token::new("hf_secret");
    let error = Hub::new(settings)
        .unwrap()
        .fetch(&model(), None, &())
        .unwrap_err();
    let message = format!("{error} {error:?}");
    assert!(
        message.contains("the token of HF_TOKEN may read it") && !message.contains("hf_secret"),
        "{message}"
    );
}

#[test]
fn servers_that_fail_are_asked_again_for_a_while() {
    let (error, server) = refused(SINGLE, |_, _| Answer::new(500));
    assert!(matches!(error, HubError::Status { status: 500, .. }));
    assert_eq!(server.requests().len(), 3);
    for status in [429, 500, 502, 503, 504] {
        let errors = endured(SINGLE, move |number, _, answer| match number % 3 {
            0 => Answer::new(status).with("Retry-After", "1"),
            _ => answer,
        });
        assert!(
            errors.len() > 10 && errors[0].contains(&status.to_string()),
            "{errors:?}"
        );
    }
}

#[test]
fn cut_connections_are_taken_up_where_they_ended() {
    let errors = endured(SHARDED, |number, _, answer| match number % 2 {
        1 => answer.cut(700),
        _ => answer,
    });
    assert!(errors.len() > 10, "{errors:?}");
}

#[test]
fn a_hub_that_cannot_be_reached_is_not_waited_for() {
    let caches = Caches::new();
    let url = Server::honest(golden(SINGLE)).url();
    let heard = Heard::default();
    let error = caches.hub(&url).fetch(&model(), None, &heard).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("/zai-org/tiny/resolve/main/config.json"),
        "{error}"
    );
    assert!(heard.errors.into_inner().unwrap().is_empty());
    assert!(!caches.tower_cache().exists());
}

#[test]
fn a_hub_that_speaks_no_tls_is_not_spoken_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut greeting = vec![0; 4096];
        let count = stream.read(&mut greeting).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        greeting.truncate(count);
        greeting
    });
    let caches = Caches::new();
    let mut settings = caches.settings(&url);
    settings.token = Token::new("hf_secret");
    let error = Hub::new(settings)
        .unwrap()
        .fetch(&model(), None, &())
        .unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    let greeting = server.join().unwrap();
    assert!(!greeting.windows(9).any(|bytes| bytes == b"hf_secret"));
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let (server, caches) = (Server::honest(golden(SINGLE)), Caches::new());
    std::fs::write(caches.tower_cache(), "a file").unwrap();
    let error = caches
        .hub(&server.url())
        .fetch(&model(), None, &())
        .unwrap_err();
    assert!(
        matches!(&error, HubError::Io { path, .. } if path.starts_with(caches.tower_cache())),
        "{error}"
    );
}
