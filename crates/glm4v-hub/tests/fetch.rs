//! Fetches: the requests, and the files that they write.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use glm4v_hub::{HubError, ModelId, Progress, Token};
use support::{
    Answer, COMMIT, Caches, Heard, OTHER_COMMIT, SHARDED, SINGLE, Server, assert_fetched, golden,
    model, tower_bytes,
};

#[test]
fn a_sharded_checkpoint_becomes_one_file_of_vision_tensors() {
    let (server, caches, heard) = (
        Server::honest(golden(SHARDED)),
        Caches::new(),
        Heard::default(),
    );
    let hub = caches.hub(&server.url());
    let dir = hub.checkpoint(&model(), None, &heard).unwrap();
    assert_fetched(&dir, &golden(SHARDED));
    assert_eq!(dir, caches.own_model().join("snapshots").join(COMMIT));
    assert!(!caches.own_model().join("unfinished").join(COMMIT).exists());

    let tower = tower_bytes(&golden(SHARDED));
    assert_eq!(heard.total.load(Ordering::SeqCst), tower);
    assert_eq!(
        (
            heard.before.load(Ordering::SeqCst),
            heard.bytes.load(Ordering::SeqCst)
        ),
        (0, tower)
    );
}

#[test]
fn language_model_bytes_are_not_asked_for() {
    let (server, caches) = (Server::honest(golden(SHARDED)), Caches::new());
    caches
        .hub(&server.url())
        .checkpoint(&model(), None, &())
        .unwrap();
    // Each shard begins with its header, in two requests, and 64 to 128 bytes of the language model.
    let headers = [1320 + 8, 1336 + 8, 1264 + 8];
    let tensors = server.sent().into_iter().filter(|(file, range, _)| {
        let shard: usize = file["model-0000".len()..][..1].parse().unwrap();
        range.start >= headers[shard - 1]
    });
    let sizes = tensors.map(|(_, range, bytes)| {
        assert_eq!(range.end - range.start, bytes);
        bytes
    });
    assert_eq!(sizes.sum::<u64>(), tower_bytes(&golden(SHARDED)));
    let head: u64 = headers.iter().sum();
    let all: u64 = server.sent().iter().map(|(_, _, bytes)| bytes).sum();
    assert_eq!(all, tower_bytes(&golden(SHARDED)) + head);
}

#[test]
fn one_file_without_index() {
    let (server, caches) = (Server::honest(golden(SINGLE)), Caches::new());
    let dir = caches
        .hub(&server.url())
        .checkpoint(&model(), Some("refs/pr/1"), &())
        .unwrap();
    assert_fetched(&dir, &golden(SINGLE));
    assert_eq!(
        server.requests()[0].path,
        "/zai-org/tiny/resolve/refs%2Fpr%2F1/config.json"
    );
    let later = &server.requests()[1..];
    assert!(
        later
            .iter()
            .all(|request| request.path.contains(&format!("/resolve/{COMMIT}/")))
    );
    let noted = caches.own_model().join("refs/refs/pr/1");
    assert_eq!(std::fs::read_to_string(noted).unwrap(), COMMIT);
}

#[test]
fn large_first_looks_and_many_connections_give_the_same() {
    for name in [SHARDED, SINGLE] {
        let (server, caches) = (Server::honest(golden(name)), Caches::new());
        let mut settings = caches.settings(&server.url());
        settings.transfer.header_bytes = 256 << 10;
        settings.transfer.connections = 6;
        settings.transfer.chunk_bytes = 4999;
        let hub = glm4v_hub::Hub::new(settings).unwrap();
        assert_fetched(&hub.checkpoint(&model(), None, &()).unwrap(), &golden(name));
    }
}

#[test]
fn a_second_call_needs_no_network_and_a_fetch_asks_once() {
    let (server, caches) = (Server::honest(golden(SINGLE)), Caches::new());
    let hub = caches.hub(&server.url());
    let dir = hub.checkpoint(&model(), None, &()).unwrap();
    server.forget();
    assert_eq!(hub.checkpoint(&model(), None, &()).unwrap(), dir);
    assert_eq!(
        hub.checkpoint(&model(), Some(&COMMIT[..7]), &()).unwrap(),
        dir
    );
    assert!(server.requests().is_empty());
    assert_eq!(hub.fetch(&model(), None, &()).unwrap(), dir);
    let requests = server.requests();
    assert_eq!((requests.len(), &requests[0].method[..]), (1, "HEAD"));
}

#[test]
fn a_branch_that_moves_is_followed_by_fetch_alone() {
    let commit = Arc::new(Mutex::new(COMMIT));
    let now = Arc::clone(&commit);
    let server = Server::new(golden(SINGLE), move |_, answer| {
        answer.with("X-Repo-Commit", *now.lock().unwrap())
    });
    let caches = Caches::new();
    let hub = caches.hub(&server.url());
    let old = hub.checkpoint(&model(), None, &()).unwrap();
    *commit.lock().unwrap() = OTHER_COMMIT;
    assert_eq!(hub.checkpoint(&model(), None, &()).unwrap(), old);
    let new = hub.fetch(&model(), None, &()).unwrap();
    assert!(new.ends_with(OTHER_COMMIT));
    assert_eq!(hub.find(&model(), None).unwrap(), Some(new));
    assert_eq!(hub.find(&model(), Some(COMMIT)).unwrap(), Some(old));
}

#[test]
fn redirects_are_followed_and_the_token_is_not_taken_along() {
    let storage = Server::honest(golden(SHARDED));
    let elsewhere = storage.url();
    let server = Server::new(golden(SHARDED), move |request, answer| {
        if request.path.starts_with("/moved") {
            let path = request.path.trim_start_matches("/moved");
            return Answer::redirect(302, format!("{elsewhere}{path}?X-Amz-Signature=secret"));
        }
        // As the hub does: its own word on the commit, and the bytes from somewhere else.
        let moved = Answer::redirect(307, format!("/moved{}", request.path)).body("Moved");
        moved.with("X-Repo-Commit", answer.headers[0].1.clone())
    });
    let caches = Caches::new();
    let mut settings = caches.settings(&server.url());
    settings.token = Token::new("hf_secret");
    let hub = glm4v_hub::Hub::new(settings).unwrap();
    assert_fetched(
        &hub.checkpoint(&model(), None, &()).unwrap(),
        &golden(SHARDED),
    );

    let tokens = |server: &Server| {
        let requests = server.requests();
        let with = requests
            .iter()
            .filter(|request| request.header("authorization") == Some("Bearer hf_secret"));
        (with.count(), requests.len())
    };
    let ((with, all), (leaked, elsewhere)) = (tokens(&server), tokens(&storage));
    assert_eq!(with, all);
    assert_eq!(leaked, 0);
    assert!(
        elsewhere > 10
            && storage
                .requests()
                .iter()
                .all(|request| request.header("authorization").is_none())
    );
}

#[test]
fn a_mirror_that_does_not_say_the_commit_is_asked_through_its_api() {
    let server = Server::new(
        golden(SINGLE),
        |request, answer| match &request.method[..] {
            "HEAD" => Answer::new(405),
            _ => answer.without("X-Repo-Commit"),
        },
    );
    let caches = Caches::new();
    let dir = caches
        .hub(&server.url())
        .checkpoint(&model(), None, &())
        .unwrap();
    assert!(dir.ends_with(COMMIT));
    assert_eq!(
        server.requests()[1].path,
        "/api/models/zai-org/tiny/revision/main"
    );
}

#[test]
fn a_video_configuration_need_not_be_published() {
    let server = Server::new(golden(SINGLE), |request, answer| match request.file() {
        "video_preprocessor_config.json" => Answer::new(404),
        _ => answer,
    });
    let caches = Caches::new();
    let dir = caches
        .hub(&server.url())
        .checkpoint(&model(), None, &())
        .unwrap();
    assert!(!dir.join("video_preprocessor_config.json").exists());
}

#[test]
fn processes_that_fetch_the_same_model_share_one_fetch() {
    let (server, caches) = (Server::honest(golden(SHARDED)), Caches::new());
    let heard = Heard::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let hub = caches.hub(&server.url());
                assert_fetched(
                    &hub.fetch(&model(), None, &heard).unwrap(),
                    &golden(SHARDED),
                );
            });
        }
    });
    assert_eq!(
        heard.bytes.load(Ordering::SeqCst),
        tower_bytes(&golden(SHARDED))
    );
    let heads = server
        .requests()
        .into_iter()
        .filter(|request| request.method == "HEAD");
    assert_eq!(heads.count(), 4);
}

/// Cancels a fetch when this many bytes have arrived.
struct CancelAfter(u64, Heard);

impl Progress for CancelAfter {
    fn advanced(&self, bytes: u64) {
        self.1.advanced(bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.1.bytes.load(Ordering::SeqCst) >= self.0
    }
}

#[test]
fn a_cancelled_fetch_is_resumed_by_the_next_one() {
    let (server, caches) = (Server::honest(golden(SHARDED)), Caches::new());
    let hub = caches.hub(&server.url());
    let cancelled = CancelAfter(100_000, Heard::default());
    let error = hub.fetch(&model(), None, &cancelled).unwrap_err();
    assert!(matches!(error, HubError::Cancelled), "{error}");
    let unfinished = caches.own_model().join("unfinished").join(COMMIT);
    let mut names: Vec<_> = unfinished
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["checkpoint", "chunks", "plan.json"]);

    let heard = Heard::default();
    let dir = hub.fetch(&model(), None, &heard).unwrap();
    assert_fetched(&dir, &golden(SHARDED));
    let (before, all) = (heard.before.into_inner(), tower_bytes(&golden(SHARDED)));
    assert!(before > 0 && before < all, "{before} of {all}");

    // Nothing is requested for a fetch that is cancelled before it starts.
    server.forget();
    let error = hub.fetch(&model(), None, &CancelAfter(0, Heard::default()));
    assert!(matches!(error, Err(HubError::Cancelled)));
    assert!(server.requests().is_empty());
}

/// Cancels a fetch that waits for another one.
#[derive(Default)]
struct Impatient(AtomicBool);

impl Progress for Impatient {
    fn waiting(&self, _: &ModelId) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_fetch_that_waits_for_another_one_can_be_cancelled() {
    let (server, caches) = (Server::honest(golden(SINGLE)), Caches::new());
    let hub = caches.hub(&server.url());
    hub.fetch(&model(), None, &()).unwrap();
    let lock = caches
        .tower_cache()
        .join("models/.locks/models--zai-org--tiny.lock");
    let file = std::fs::File::open(lock).unwrap();
    file.lock().unwrap();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let fetch = move || hub.fetch(&model(), None, &Impatient::default());
        scope.spawn(move || sender.send(fetch()));
        let result = receiver.recv_timeout(Duration::from_secs(20));
        // If it was not cancelled, it ends now.
        file.unlock().unwrap();
        assert!(matches!(result, Ok(Err(HubError::Cancelled))), "{result:?}");
    });
}

#[test]
fn offline_says_how_to_fetch() {
    let (server, caches) = (Server::honest(golden(SINGLE)), Caches::new());
    let hub = caches.hub(&server.url());
    let offline = hub.clone().offline(true);
    let error = offline.checkpoint(&model(), Some("v1"), &()).unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }));
    assert_eq!(
        error.to_string(),
        "zai-org/tiny (v1) is not cached, and offline mode is on; `glm4v fetch zai-org/tiny --revision v1` fetches it when online"
    );
    assert!(server.requests().is_empty());

    let dir = hub.checkpoint(&model(), Some("v1"), &()).unwrap();
    server.forget();
    assert_eq!(offline.checkpoint(&model(), Some("v1"), &()).unwrap(), dir);
    assert!(matches!(
        offline.fetch(&model(), Some("v1"), &()),
        Err(HubError::Offline { .. })
    ));
    assert!(server.requests().is_empty());
}

/// What `save_pretrained` of transformers 5 writes.
const NESTED: &str = r#"{"processor_class": "Glm4vProcessor",
    "image_processor": {"image_processor_type": "Glm4vImageProcessor", "patch_size": 14},
    "video_processor": {"video_processor_type": "Glm4vVideoProcessor", "fps": 1}}"#;

#[test]
fn processors_in_one_file_are_fetched_and_found() {
    let source = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(golden(SINGLE).join(name), source.path().join(name)).unwrap();
    }
    std::fs::write(source.path().join("processor_config.json"), NESTED).unwrap();
    let (server, caches) = (Server::honest(source.path().to_owned()), Caches::new());
    let hub = caches.hub(&server.url());

    let configs = hub.configs(&model(), None, &()).unwrap();
    assert!(configs.join("processor_config.json").exists());
    let dir = hub.checkpoint(&model(), None, &()).unwrap();
    let text = std::fs::read_to_string(dir.join("processor_config.json")).unwrap();
    assert_eq!(text, NESTED);
    assert!(!dir.join("preprocessor_config.json").exists());
    assert_eq!(hub.find(&model(), None).unwrap(), Some(dir));
}
