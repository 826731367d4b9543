//! Servers that lie or attack.

mod support;

use glm4v_hub::HubError;
use support::{Answer, Request, SHARDED, SINGLE, Server, golden, refused};

/// [`refused`] for servers that change the answers to requests for weights.
fn weights_refused(
    script: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static,
) -> HubError {
    let script = move |request: &Request, answer| match request.is_weights() {
        true => script(request, answer),
        false => answer,
    };
    refused(SINGLE, script).0
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
