//! Models on the hub: `fetch`, `cache` and `-m owner/name`, against a local server.
#![cfg(feature = "hub")]

#[allow(dead_code, unreachable_pub)] // The hub's own tests use all of it.
#[path = "../../glm4v-hub/tests/support/server.rs"]
mod server;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use server::{Answer, Server};
use support::{Run, image, program, read_safetensors, run};
use tempfile::TempDir;

/// The commit of the served directory.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const MODEL: &str = "zai-org/tiny";

/// A hub, and a home directory with empty caches.
struct Home {
    server: Server,
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        Self::with(Server::honest(checkpoint()))
    }

    fn with(server: Server) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { server, dir }
    }

    fn run<const N: usize>(&self, args: [&str; N]) -> Run {
        run(self.program().args(args))
    }

    fn program(&self) -> Command {
        let mut program = program();
        for variable in [
            "HF_TOKEN",
            "HF_HUB_CACHE",
            "HF_HUB_OFFLINE",
            "HTTP_PROXY",
            "http_proxy",
        ] {
            program.env_remove(variable);
        }
        program
            .env("HF_ENDPOINT", self.server.url())
            .env("HF_HOME", self.dir.path().join("hf"))
            .env("GLM4V_CACHE", self.dir.path().join("glm4v"));
        program
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn checkpoint() -> PathBuf {
    std::path::absolute("../../tests/golden/patch14-bf16-sharded").unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_model_name_gives_the_same_as_its_directory() {
    let home = Home::new();
    let photo = image("rgb-60x83.png");
    let (by_name, by_directory) = (home.file("name.safetensors"), home.file("dir.safetensors"));
    let summary = home
        .run([
            "encode",
            text(&photo),
            "-m",
            MODEL,
            "-o",
            text(&by_name),
            "--json",
        ])
        .ok()
        .json();
    assert_eq!(summary["weights"]["model"], MODEL);
    let directory = checkpoint();
    home.run([
        "encode",
        text(&photo),
        "-m",
        text(&directory),
        "-o",
        text(&by_directory),
    ])
    .ok();
    let read = |file| read_safetensors(file, "embeddings");
    assert_eq!(read(&by_name), read(&by_directory));

    let requests = home.server.requests().len();
    home.run(["encode", text(&photo), "-m", MODEL, "--offline"])
        .ok();
    home.run(["inspect", MODEL]).ok();
    assert_eq!(home.server.requests().len(), requests, "the cache has it");
}

#[test]
fn preprocess_downloads_no_weights() {
    let home = Home::new();
    let (photo, file) = (image("rgb-60x83.png"), home.file("rows.safetensors"));
    home.run(["preprocess", text(&photo), "-m", MODEL, "-o", text(&file)])
        .ok();
    assert_eq!(read_safetensors(&file, "pixel_values").grids.len(), 1);
    let requests = home.server.requests();
    assert!(
        requests.iter().all(|request| !request.is_weights()),
        "{requests:?}"
    );
    home.run([
        "preprocess",
        text(&photo),
        "-m",
        MODEL,
        "--offline",
        "-o",
        text(&file),
    ])
    .ok();
    assert_eq!(home.server.requests().len(), requests.len());
}

#[test]
fn fetched_models_are_listed_and_removed() {
    let home = Home::new();
    let empty = home.run(["cache", "--json"]).ok().json();
    assert_eq!(
        (&empty["bytes"], &empty["towers"]),
        (&0.into(), &serde_json::json!([]))
    );

    let fetched = home.run(["fetch", MODEL, "--json"]).ok().json();
    assert!(
        fetched["fetched_bytes"].as_u64().unwrap() > 100_000,
        "{fetched}"
    );
    assert!(
        fetched["directory"].as_str().unwrap().contains(COMMIT),
        "{fetched}"
    );
    let again = home.run(["fetch", MODEL, "--json"]).ok().json();
    assert_eq!(again["fetched_bytes"], 0);

    let listed = home.run(["cache"]).ok().stdout;
    for part in [MODEL, "0123456789ab", "main", "1 tower"] {
        assert!(listed.contains(part), "{listed}");
    }
    let removed = home.run(["cache", "remove", MODEL]).ok().stdout;
    assert!(removed.contains("removed zai-org/tiny"), "{removed}");
    let gone = home.run(["cache", "remove", MODEL]).fails();
    assert!(gone.contains("holds no zai-org/tiny"), "{gone}");
}

/// The names of all files below `dir`.
#[cfg(unix)]
fn files(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in dir.read_dir().into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => names.extend(files(&path)),
            path => names.push(path.file_name().unwrap().to_string_lossy().into_owned()),
        }
    }
    names.sort();
    names
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_a_download_that_the_next_one_resumes() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::sleep;
    use std::time::Duration;

    let stalls = Arc::new(AtomicBool::new(true));
    let stalled = Arc::clone(&stalls);
    let server = Server::new(checkpoint(), move |request, answer| {
        // Requests for headers begin at the first byte.
        let is_inside = request.range().is_some_and(|range| range.start > 0);
        if request.is_weights() && is_inside && stalled.load(Ordering::SeqCst) {
            sleep(Duration::from_secs(60));
        }
        answer
    });
    let home = Home::with(server);
    let mut fetch = home.program().args(["fetch", "-q", MODEL]).spawn().unwrap();
    while !files(home.dir.path()).contains(&"plan.json".to_owned()) {
        assert!(fetch.try_wait().unwrap().is_none(), "it ended too early");
        sleep(Duration::from_millis(1));
    }
    let pid = fetch.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.unwrap().success());
    assert_eq!(fetch.wait().unwrap().code(), Some(143));
    let lock = "models--zai-org--tiny.lock";
    assert_eq!(
        files(home.dir.path()),
        ["chunks", "model.safetensors", lock, "plan.json"]
    );
    stalls.store(false, Ordering::SeqCst);
    home.run(["fetch", MODEL]).ok();
    let listed = home.run(["cache", "--json"]).ok().json();
    assert_eq!(listed["towers"][0]["unfinished"], false);
}

#[test]
fn offline_says_how_to_get_it() {
    let home = Home::new();
    let photo = image("rgb-60x83.png");
    let error = home
        .run(["encode", text(&photo), "-m", MODEL, "--offline"])
        .fails();
    assert!(
        error.contains("`glm4v fetch zai-org/tiny` fetches it"),
        "{error}"
    );
    assert!(home.server.requests().is_empty());
}

#[test]
fn an_unknown_name_is_neither_directory_nor_model() {
    let home = Home::with(Server::new(checkpoint(), |_, _| Answer::new(404)));
    let photo = image("rgb-60x83.png");
    let error = home
        .run(["encode", text(&photo), "-m", "zai-org/tinny"])
        .fails();
    for part in ["no directory zai-org/tinny", "404", "check the name"] {
        assert!(error.contains(part), "{error}");
    }
    let error = home.run(["encode", text(&photo), "-m", "tinny"]).fails();
    assert!(error.contains("no such checkpoint directory"), "{error}");
}
