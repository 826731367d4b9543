//! A hub on the loopback interface, and empty caches. The hub serves a directory, and fails on request.
#![allow(dead_code, unreachable_pub, unused_imports)] // No test file uses all of it.

mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use glm4v_hub::{Hub, HubError, ModelId, Progress, Settings, Transfer};
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

pub use server::{Answer, Request, Server};

/// The commit of the served directory.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Another commit.
pub const OTHER_COMMIT: &str = "fedcba9876543210fedcba9876543210fedcba98";
/// A golden with shards and tensors of a language model.
pub const SHARDED: &str = "patch14-bf16-sharded";
/// A golden with one file of weights.
pub const SINGLE: &str = "patch14-f32";

/// A tensor's type, shape and bytes.
pub type Tensor = (Dtype, Vec<usize>, Vec<u8>);

/// The model that every server has.
pub fn model() -> ModelId {
    "zai-org/tiny".parse().unwrap()
}

/// A directory of `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    std::path::absolute("../../tests/golden")
        .unwrap()
        .join(name)
}

/// Two empty caches.
pub struct Caches {
    pub dir: TempDir,
}

impl Caches {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    pub fn hf_cache(&self) -> PathBuf {
        self.dir.path().join("hf")
    }

    pub fn tower_cache(&self) -> PathBuf {
        self.dir.path().join("towers")
    }

    /// Requests so small that the tiny checkpoints take many, no waits, and one connection: an order that is the same
    /// every time.
    pub fn settings(&self, endpoint: &str) -> Settings {
        Settings {
            endpoint: endpoint.to_owned(),
            transfer: Transfer {
                connections: 1,
                chunk_bytes: 20_000,
                gap_bytes: 64,
                header_bytes: 1000,
                waits: vec![Duration::ZERO; 2],
                longest_wait: Duration::ZERO,
                ..Transfer::default()
            },
            ..Settings::new(self.hf_cache(), self.tower_cache())
        }
    }

    pub fn hub(&self, endpoint: &str) -> Hub {
        Hub::new(self.settings(endpoint)).unwrap()
    }

    /// Where our own cache has the model.
    pub fn own_model(&self) -> PathBuf {
        self.tower_cache().join("models/models--zai-org--tiny")
    }

    /// Puts `files` of `source` into the Hugging Face cache as its programs do: blobs, links to them, and a reference.
    #[cfg(unix)]
    pub fn fill(&self, source: &Path, files: &[&str], commit: &str) {
        let model = self.hf_cache().join("models--zai-org--tiny");
        let snapshot = model.join("snapshots").join(commit);
        std::fs::create_dir_all(model.join("blobs")).unwrap();
        std::fs::create_dir_all(model.join("refs")).unwrap();
        std::fs::create_dir_all(&snapshot).unwrap();
        for file in files {
            let blob = format!("blob-of-{file}");
            std::fs::copy(source.join(file), model.join("blobs").join(&blob)).unwrap();
            std::os::unix::fs::symlink(Path::new("../../blobs").join(blob), snapshot.join(file))
                .unwrap();
        }
        std::fs::write(model.join("refs/main"), commit).unwrap();
    }
}

/// Counts what it hears.
#[derive(Default)]
pub struct Heard {
    pub total: AtomicU64,
    pub before: AtomicU64,
    pub bytes: AtomicU64,
    pub waits: AtomicUsize,
    pub errors: Mutex<Vec<String>>,
}

impl Progress for Heard {
    fn waiting(&self, _: &ModelId) {
        self.waits.fetch_add(1, Ordering::SeqCst);
    }

    fn started(&self, total: u64, done: u64) {
        self.total.store(total, Ordering::SeqCst);
        self.before.store(done, Ordering::SeqCst);
    }

    fn advanced(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    fn retrying(&self, error: &HubError, _: Duration) {
        self.errors.lock().unwrap().push(error.to_string());
    }
}

/// The tensors of every safetensors file of weights in `dir` whose keys begin with `prefix`.
pub fn tensors(dir: &Path, prefix: &str) -> BTreeMap<String, Tensor> {
    let mut tensors = BTreeMap::new();
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("model") || !name.ends_with(".safetensors") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for (key, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
            if key.starts_with(prefix) {
                let tensor = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
                tensors.insert(key, tensor);
            }
        }
    }
    tensors
}

/// Asserts that `dir` has the vision tensors of `source` and no others.
pub fn assert_fetched(dir: &Path, source: &Path) {
    assert_eq!(tensors(dir, ""), tensors(source, "model.visual."));
    let mut names: Vec<_> = dir
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let configs = [
        "config.json",
        "preprocessor_config.json",
        "video_preprocessor_config.json",
    ];
    for name in configs {
        assert_eq!(
            std::fs::read(dir.join(name)).unwrap(),
            std::fs::read(source.join(name)).unwrap()
        );
    }
    assert_eq!(
        names,
        [
            "config.json",
            "model.safetensors",
            "preprocessor_config.json",
            "video_preprocessor_config.json"
        ]
    );
}

/// Bytes of the tower of `source`.
pub fn tower_bytes(source: &Path) -> u64 {
    let tensors = tensors(source, "model.visual.");
    tensors
        .values()
        .map(|(_, _, bytes)| bytes.len() as u64)
        .sum()
}

/// The error of a fetch from a server with this script. Asserts that no finished checkpoint is left.
pub fn refused(
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
