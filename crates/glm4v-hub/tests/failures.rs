//! Servers that fail, lie or attack.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use glm4v_hub::{Hub, HubError, Token};
use support::{
    Answer, COMMIT, Caches, Heard, Request, SHARDED, SINGLE, Server, assert_fetched, golden, model,
    tower_bytes,
};

/// The error of a fetch from a server with this script. Asserts that no finished checkpoint is left.
fn refused(
    name: &str,
    script: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static,
) -> (HubError, Server) {
    let (server, caches) = (Server::new(golden(name), script), Caches::new());
    let error = caches
        .hub(&server.url())
        .fetch(&model(), None, &())
        .unwrap_err();
    assert!(!caches.own_model().join("snapshots").exists());
    assert!(!caches.own_model().join("refs").exists());
    (error, server)
}

/// The same, for servers that change the answers to requests for weights.
fn weights_refused(
    script: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static,
) -> HubError {
    let script = move |request: &Request, answer| match request.is_weights() {
        true => script(request, answer),
        false => answer,
    };
    refused(SINGLE, script).0
}

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
fn a_fetch_goes_on_where_the_last_one_ended() {
    let (first, caches) = (cut_after(3), Caches::new());
    let heard = Heard::default();
    let error = caches
        .hub(&first.url())
        .fetch(&model(), None, &heard)
        .unwrap_err();
    assert!(
        matches!(
            error,
            HubError::Truncated { .. } | HubError::Connection { .. }
        ),
        "{error}"
    );
    let listed = caches.hub(&first.url()).cached().unwrap();
    assert_eq!(
        (listed.len(), listed[0].unfinished, &listed[0].commit[..]),
        (1, true, COMMIT)
    );

    // Another server of the same commit: the plan is the same.
    let second = Server::honest(golden(SHARDED));
    let heard = Heard::default();
    let dir = caches
        .hub(&second.url())
        .fetch(&model(), None, &heard)
        .unwrap();
    assert_fetched(&dir, &golden(SHARDED));
    let before = heard.before.into_inner();
    assert_eq!(before, chunks(&first)[..3].iter().sum::<u64>());
    assert_eq!(
        chunks(&second).iter().sum::<u64>(),
        tower_bytes(&golden(SHARDED)) - before
    );
    assert!(!caches.own_model().join("unfinished").join(COMMIT).exists());
}

#[test]
fn what_was_fetched_by_another_plan_is_fetched_anew() {
    let (first, caches) = (cut_after(3), Caches::new());
    caches
        .hub(&first.url())
        .fetch(&model(), None, &())
        .unwrap_err();
    let second = Server::honest(golden(SHARDED));
    let mut settings = caches.settings(&second.url());
    settings.transfer.chunk_bytes = 5000;
    let heard = Heard::default();
    let dir = Hub::new(settings)
        .unwrap()
        .fetch(&model(), None, &heard)
        .unwrap();
    assert_fetched(&dir, &golden(SHARDED));
    assert_eq!(heard.before.into_inner(), 0);
}

#[test]
fn what_was_damaged_in_between_is_fetched_anew() {
    for name in ["chunks", "plan.json", "checkpoint/model.safetensors"] {
        let (first, caches) = (cut_after(3), Caches::new());
        caches
            .hub(&first.url())
            .fetch(&model(), None, &())
            .unwrap_err();
        let file = caches
            .own_model()
            .join("unfinished")
            .join(COMMIT)
            .join(name);
        std::fs::write(file, "short").unwrap();
        let heard = Heard::default();
        let second = Server::honest(golden(SHARDED));
        let dir = caches
            .hub(&second.url())
            .fetch(&model(), None, &heard)
            .unwrap();
        assert_fetched(&dir, &golden(SHARDED));
        assert_eq!(heard.before.into_inner(), 0, "{name}");
    }
}

#[test]
fn servers_without_ranges_are_told_from_hubs() {
    let error = weights_refused(|request, _| {
        Answer::new(200).body(std::fs::read(golden(SINGLE).join(request.file())).unwrap())
    });
    assert!(matches!(error, HubError::NoRanges { .. }));
    assert!(
        error.to_string().contains("does not serve ranges"),
        "{error}"
    );
}

#[test]
fn answers_to_other_requests_are_refused() {
    for (found, problem) in [
        ("bytes 1-1000/725520", "`bytes 1-1000/725520`"),
        ("bytes 0-998/725520", "`bytes 0-998/725520`"),
        ("bytes 0-999/*", "`bytes 0-999/*`"),
        ("none of it", "`none of it`"),
    ] {
        let error = weights_refused(move |_, answer| answer.with("Content-Range", found));
        assert!(matches!(error, HubError::Response { .. }));
        assert!(
            error.to_string().contains(problem) && error.to_string().contains("bytes 0-999/"),
            "{error}"
        );
    }
    let error = weights_refused(|_, answer| answer.without("Content-Range"));
    assert!(error.to_string().contains("found none"), "{error}");
    let error = weights_refused(|_, answer| answer.with("Content-Encoding", "gzip"));
    assert!(error.to_string().contains("`gzip`"), "{error}");
    let error = weights_refused(|_, answer| answer.with("Content-Length", "999"));
    assert!(
        error
            .to_string()
            .contains("expected Content-Length 1000, found `999`"),
        "{error}"
    );
    let error = weights_refused(|_, answer| answer.with("Content-Length", "1001"));
    assert!(
        error
            .to_string()
            .contains("expected Content-Length 1000, found `1001`"),
        "{error}"
    );
}

#[test]
fn a_file_that_changes_its_length_is_refused() {
    let error = weights_refused(|request, answer| match request.range().unwrap() {
        range if range.start > 4000 => answer.with(
            "Content-Range",
            format!("bytes {}-{}/999999", range.start, range.end - 1),
        ),
        _ => answer,
    });
    assert!(
        error
            .to_string()
            .contains("expected a file of 725520 bytes, found one of 999999"),
        "{error}"
    );
}

#[test]
fn redirects_that_lead_nowhere() {
    let (error, server) = refused(SINGLE, |request, _| {
        Answer::redirect(302, request.path.clone())
    });
    assert!(
        error.to_string().contains("redirected more than 5 times"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 6);
    for location in ["ftp://127.0.0.1/x", "https://", "file:///etc/passwd"] {
        let (error, _) = refused(SINGLE, move |_, _| Answer::redirect(302, location));
        assert!(
            matches!(error, HubError::Redirect { .. }),
            "{location}: {error}"
        );
    }
    let (error, _) = refused(SINGLE, |_, _| Answer::new(301));
    assert!(error.to_string().contains("no Location"), "{error}");
}

#[test]
fn signatures_of_redirects_are_not_shown() {
    let storage = Server::new(golden(SINGLE), |_, _| Answer::new(403));
    let elsewhere = storage.url();
    let error = weights_refused(move |_, _| {
        Answer::redirect(302, format!("{elsewhere}/a?X-Amz-Signature=secret"))
    });
    let message = format!("{error} {error:?}");
    assert!(
        message.contains("403") && !message.contains("secret"),
        "{message}"
    );
    // The storage's refusal has nothing to do with the token.
    assert!(!message.contains("HF_TOKEN"), "{message}");
}

#[test]
fn commits_that_are_no_commits_are_refused() {
    for commit in [
        "../../../etc",
        "main",
        "",
        "0123",
        "0123456789ABCDEF0123456789ABCDEF01234567",
    ] {
        let (error, _) = refused(SINGLE, move |_, answer| {
            answer.with("X-Repo-Commit", commit)
        });
        assert!(
            matches!(error, HubError::NoCommit { .. }),
            "{commit}: {error}"
        );
    }
    let (error, _) = refused(SINGLE, |request, answer| {
        match request.path.starts_with("/api") {
            true => Answer::new(404),
            false => answer.without("X-Repo-Commit"),
        }
    });
    assert!(matches!(error, HubError::NoCommit { .. }), "{error}");
}

/// The error for a checkpoint whose `file` has this text. Asserts that no tensor is requested.
fn file_refused(file: &'static str, text: &str) -> String {
    let text = text.to_owned();
    let (error, server) = refused(SHARDED, move |request, answer| {
        match request.file() == file {
            true => answer.body(text.clone()),
            false => answer,
        }
    });
    assert!(
        server.sent().iter().all(|(_, range, _)| range.start < 1400),
        "{error}"
    );
    error.to_string()
}

#[test]
fn configurations_are_read_before_anything_big() {
    let message = file_refused("config.json", r#"{"model_type": "llava"}"#);
    assert!(
        message.contains("/config.json: ") && message.contains("`llava`"),
        "{message}"
    );
    let message = file_refused("preprocessor_config.json", "<html>Log in</html>");
    assert!(
        message.contains("preprocessor_config.json: this is a web page"),
        "{message}"
    );
    let config = std::fs::read_to_string(golden(SHARDED).join("config.json")).unwrap();
    let deeper = config.replace(r#""depth": 3"#, r#""depth": 4"#);
    let message = file_refused("config.json", &deeper);
    assert!(
        message.contains("`model.visual.blocks.3.attn.proj.weight`")
            || message.contains("`model.visual.blocks.3.norm1.weight` is missing"),
        "{message}"
    );
    let shallower = config.replace(r#""depth": 3"#, r#""depth": 2"#);
    assert!(file_refused("config.json", &shallower).contains("is left over"));
    let wider = config.replace(r#""intermediate_size": 80"#, r#""intermediate_size": 81"#);
    let message = file_refused("config.json", &wider);
    assert!(
        message.contains("expected shape [81, 48], found [80, 48]"),
        "{message}"
    );
}

#[test]
fn an_index_leads_to_files_beside_it_only() {
    for name in [
        "../../../secret.safetensors",
        "/etc/x.safetensors",
        "a/b.safetensors",
        "http://x/y.safetensors",
    ] {
        let text = format!(r#"{{"weight_map": {{"model.visual.downsample.bias": "{name}"}}}}"#);
        let message = file_refused("model.safetensors.index.json", &text);
        assert!(
            message.contains("beside the index") && message.contains(name),
            "{message}"
        );
    }
}

#[test]
fn headers_are_not_believed() {
    let header = |json: &str, length: u64| [&length.to_le_bytes(), json.as_bytes()].concat();
    let one =
        r#"{"model.visual.downsample.bias":{"dtype":"F32","shape":[48],"data_offsets":[0,4]}}"#;
    for (bytes, problem) in [
        (header("{}", u64::MAX), "expected a header of at most"),
        (header("{}", 100_000_001), "expected a header of at most"),
        (
            header("{}", 3),
            "expected a header of at most 2 bytes, found one of 3",
        ),
        (
            header(one, one.len() as u64),
            "not a valid safetensors file",
        ),
        (header("[]", 2), "not a valid safetensors file"),
        (vec![1, 2, 3], "3 bytes are too few"),
    ] {
        let error = weights_refused(move |request, answer| {
            let (len, range) = (bytes.len() as u64, request.range().unwrap());
            let end = range.end.min(len);
            let part = bytes[range.start as usize..end as usize].to_vec();
            answer
                .with(
                    "Content-Range",
                    format!("bytes {}-{}/{len}", range.start, end - 1),
                )
                .body(part)
        });
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn small_files_are_small() {
    let (error, _) = refused(SINGLE, |request, answer| {
        match (&request.method[..], request.file()) {
            ("GET", "config.json") => answer.body(vec![b' '; (32 << 20) + 1]),
            _ => answer,
        }
    });
    assert!(
        error
            .to_string()
            .contains("expected at most 33554432 bytes"),
        "{error}"
    );
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

/// A server of the sharded checkpoint. After `whole` complete chunks it breaks every connection for a chunk.
fn cut_after(whole: usize) -> Server {
    let chunks = AtomicUsize::new(0);
    Server::new(golden(SHARDED), move |request, answer| {
        match request.range() {
            Some(range)
                if is_chunk(range.start) && chunks.fetch_add(1, Ordering::SeqCst) >= whole =>
            {
                answer.cut(10)
            }
            _ => answer,
        }
    })
}

/// Whether a range from `start` on has tensors, and not a header.
fn is_chunk(start: u64) -> bool {
    start > 1350
}

/// Bytes of tensors in each response of a server.
fn chunks(server: &Server) -> Vec<u64> {
    let sent = server.sent().into_iter();
    sent.filter(|(_, range, _)| is_chunk(range.start))
        .map(|(_, _, bytes)| bytes)
        .collect()
}
