//! Reading, listing and removing checkpoints of the caches.

mod support;

use glm4v_hub::{Hub, HubError};
use support::{COMMIT, Caches, OTHER_COMMIT, SHARDED, SINGLE, Server, golden, model};

const SHARDS: [&str; 6] = [
    "config.json",
    "preprocessor_config.json",
    "model.safetensors.index.json",
    "model-00001-of-00003.safetensors",
    "model-00002-of-00003.safetensors",
    "model-00003-of-00003.safetensors",
];

/// A hub that cannot be reached.
fn unreachable(caches: &Caches) -> Hub {
    caches.hub("http://127.0.0.1:1")
}

#[test]
#[cfg(unix)]
fn a_snapshot_of_the_hugging_face_cache_is_used_as_it_is() {
    let caches = Caches::new();
    caches.fill(&golden(SHARDED), &SHARDS, COMMIT);
    let hub = unreachable(&caches);
    let snapshot = caches
        .hf_cache()
        .join("models--zai-org--tiny/snapshots")
        .join(COMMIT);
    for revision in [None, Some("main"), Some(COMMIT), Some(&COMMIT[..8])] {
        assert_eq!(
            hub.checkpoint(&model(), revision, &()).unwrap(),
            snapshot,
            "{revision:?}"
        );
    }
    assert_eq!(hub.find(&model(), Some("v2")).unwrap(), None);
    assert_eq!(hub.find(&model(), Some(OTHER_COMMIT)).unwrap(), None);
    assert!(!caches.tower_cache().exists());
}

#[test]
#[cfg(unix)]
fn shards_of_the_language_model_need_not_be_there() {
    let (caches, source) = (Caches::new(), tempfile::tempdir().unwrap());
    for name in SHARDS {
        std::fs::copy(golden(SHARDED).join(name), source.path().join(name)).unwrap();
    }
    let map = r#"{"weight_map": {"lm_head.weight": "model-00001-of-00003.safetensors",
        "model.visual.downsample.bias": "model-00002-of-00003.safetensors"}}"#;
    std::fs::write(source.path().join(SHARDS[2]), map).unwrap();
    let some = [SHARDS[0], SHARDS[1], SHARDS[2], SHARDS[4]];
    caches.fill(source.path(), &some, COMMIT);
    assert!(unreachable(&caches).find(&model(), None).unwrap().is_some());
}

#[test]
#[cfg(unix)]
fn an_incomplete_snapshot_is_named_offline_and_fetched_online() {
    for gone in [SHARDS[0], SHARDS[1], SHARDS[4]] {
        let caches = Caches::new();
        let some: Vec<_> = SHARDS.into_iter().filter(|name| *name != gone).collect();
        caches.fill(&golden(SHARDED), &some, COMMIT);
        let server = Server::honest(golden(SHARDED));
        let hub = caches.hub(&server.url());
        let error = hub
            .clone()
            .offline(true)
            .checkpoint(&model(), None, &())
            .unwrap_err();
        assert!(
            error.to_string().contains(&format!("lacks {gone})")),
            "{error}"
        );
        let dir = hub.checkpoint(&model(), None, &()).unwrap();
        support::assert_fetched(&dir, &golden(SHARDED));
        assert!(dir.starts_with(caches.tower_cache()));
        assert_eq!(hub.find(&model(), None).unwrap(), Some(dir));
    }
}

#[test]
#[cfg(unix)]
fn a_link_to_nothing_and_a_damaged_index_are_incomplete() {
    let caches = Caches::new();
    caches.fill(&golden(SHARDED), &SHARDS, COMMIT);
    let model_dir = caches.hf_cache().join("models--zai-org--tiny");
    std::fs::remove_file(
        model_dir
            .join("blobs")
            .join(format!("blob-of-{}", SHARDS[5])),
    )
    .unwrap();
    let hub = unreachable(&caches);
    assert_eq!(hub.find(&model(), None).unwrap(), None);
    let index = model_dir
        .join("blobs")
        .join(format!("blob-of-{}", SHARDS[2]));
    std::fs::write(index, "{}").unwrap();
    assert_eq!(hub.find(&model(), None).unwrap(), None);
    let error = hub
        .offline(true)
        .checkpoint(&model(), None, &())
        .unwrap_err();
    assert!(
        error.to_string().contains("not a valid shard index"),
        "{error}"
    );
}

#[test]
#[cfg(unix)]
fn the_later_word_on_a_branch_counts() {
    let (caches, server) = (Caches::new(), Server::honest(golden(SINGLE)));
    let files = [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
    ];
    caches.fill(&golden(SINGLE), &files, OTHER_COMMIT);
    let hub = caches.hub(&server.url());
    assert!(
        hub.find(&model(), None)
            .unwrap()
            .unwrap()
            .ends_with(OTHER_COMMIT)
    );
    let fetched = hub.fetch(&model(), None, &()).unwrap();
    let note = |path: std::path::PathBuf, seconds| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
    };
    note(caches.own_model().join("refs/main"), 2000);
    note(
        caches.hf_cache().join("models--zai-org--tiny/refs/main"),
        1000,
    );
    assert_eq!(hub.find(&model(), None).unwrap(), Some(fetched));
    note(
        caches.hf_cache().join("models--zai-org--tiny/refs/main"),
        3000,
    );
    assert!(
        hub.find(&model(), None)
            .unwrap()
            .unwrap()
            .ends_with(OTHER_COMMIT)
    );
}

#[test]
fn references_that_lead_elsewhere_are_not_followed() {
    let caches = Caches::new();
    let refs = caches.hf_cache().join("models--zai-org--tiny/refs");
    std::fs::create_dir_all(&refs).unwrap();
    std::fs::write(refs.join("main"), "../../../../etc").unwrap();
    let hub = unreachable(&caches);
    assert_eq!(hub.find(&model(), None).unwrap(), None);
    assert!(matches!(
        hub.find(&model(), Some("../main")),
        Err(HubError::Revision { .. })
    ));
}

#[test]
fn what_is_cached_is_listed_and_removed() {
    let (caches, server) = (Caches::new(), Server::honest(golden(SINGLE)));
    let hub = caches.hub(&server.url());
    assert!(hub.cached().unwrap().is_empty());
    let dir = hub.fetch(&model(), None, &()).unwrap();
    hub.fetch(&model(), Some("refs/pr/1"), &()).unwrap();
    let cached = hub.cached().unwrap();
    assert_eq!(cached.len(), 1);
    assert_eq!(
        (
            &cached[0].model,
            &cached[0].commit[..],
            cached[0].unfinished
        ),
        (&model(), COMMIT, false)
    );
    assert_eq!(
        (&cached[0].path, &cached[0].revisions[..]),
        (&dir, &["main".to_owned(), "refs/pr/1".to_owned()][..])
    );
    let bytes: u64 = dir
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(cached[0].bytes, bytes);

    assert!(matches!(
        hub.remove(&model(), Some("v2")),
        Err(HubError::NotCached { .. })
    ));
    assert_eq!(hub.remove(&model(), Some(&COMMIT[..7])).unwrap(), bytes);
    assert!(hub.cached().unwrap().is_empty() && !caches.own_model().exists());
    let error = hub.remove(&model(), None).unwrap_err();
    assert!(
        error.to_string().ends_with("holds no zai-org/tiny"),
        "{error}"
    );
}

#[test]
fn one_of_two_commits_is_removed() {
    let caches = Caches::new();
    let servers = [COMMIT, OTHER_COMMIT].map(|commit| {
        Server::new(golden(SINGLE), move |_, answer| {
            answer.with("X-Repo-Commit", commit)
        })
    });
    caches
        .hub(&servers[0].url())
        .fetch(&model(), Some("v1"), &())
        .unwrap();
    let hub = caches.hub(&servers[1].url());
    hub.fetch(&model(), None, &()).unwrap();
    assert_eq!(hub.cached().unwrap().len(), 2);
    hub.remove(&model(), Some("v1")).unwrap();
    let left = hub.cached().unwrap();
    assert_eq!((left.len(), &left[0].commit[..]), (1, OTHER_COMMIT));
    assert_eq!(left[0].revisions, ["main"]);
    assert_eq!(hub.find(&model(), Some("v1")).unwrap(), None);
}

#[test]
fn a_model_that_is_being_fetched_is_not_removed() {
    let (caches, server) = (Caches::new(), Server::honest(golden(SINGLE)));
    let hub = caches.hub(&server.url());
    hub.fetch(&model(), None, &()).unwrap();
    let lock = caches
        .tower_cache()
        .join("models/.locks/models--zai-org--tiny.lock");
    let file = std::fs::File::open(lock).unwrap();
    file.lock().unwrap();
    assert!(matches!(
        hub.remove(&model(), None),
        Err(HubError::Busy { .. })
    ));
    file.unlock().unwrap();
    assert!(hub.remove(&model(), None).unwrap() > 0);
}

#[test]
#[cfg(unix)]
fn a_cache_in_the_place_of_the_other_is_not_mixed_with_it() {
    let caches = Caches::new();
    caches.fill(&golden(SHARDED), &SHARDS, COMMIT);
    let mut settings = caches.settings("http://127.0.0.1:1");
    settings.cache = settings.hf_cache.clone();
    let hub = Hub::new(settings).unwrap();
    assert!(hub.find(&model(), None).unwrap().is_some() && hub.cached().unwrap().is_empty());
    assert!(matches!(
        hub.remove(&model(), None),
        Err(HubError::NotCached { .. })
    ));
}

#[test]
fn configurations_come_without_weights() {
    let (server, caches) = (Server::honest(golden(SHARDED)), Caches::new());
    let hub = caches.hub(&server.url());
    let dir = hub.configs(&model(), None, &()).unwrap();
    for name in [
        "config.json",
        "preprocessor_config.json",
        "video_preprocessor_config.json",
    ] {
        let source = std::fs::read(golden(SHARDED).join(name)).unwrap();
        assert_eq!(std::fs::read(dir.join(name)).unwrap(), source, "{name}");
    }
    assert!(
        server
            .requests()
            .iter()
            .all(|request| !request.is_weights())
    );

    let requests = server.requests().len();
    assert_eq!(hub.configs(&model(), None, &()).unwrap(), dir);
    assert_eq!(
        hub.clone()
            .offline(true)
            .configs(&model(), None, &())
            .unwrap(),
        dir
    );
    assert_eq!(server.requests().len(), requests);
    assert_eq!(
        hub.find(&model(), None).unwrap(),
        None,
        "they are no checkpoint"
    );
    assert_eq!(hub.cached().unwrap(), []);

    let whole = hub.checkpoint(&model(), None, &()).unwrap();
    assert_eq!(hub.configs(&model(), None, &()).unwrap(), whole);
}

#[test]
fn configurations_of_a_commit_are_fetched_once() {
    let (server, caches) = (Server::honest(golden(SHARDED)), Caches::new());
    let hub = caches.hub(&server.url());
    let dir = hub.configs(&model(), Some(COMMIT), &()).unwrap();
    server.forget();
    for hub in [hub.clone(), hub.offline(true)] {
        assert_eq!(hub.configs(&model(), Some(COMMIT), &()).unwrap(), dir);
    }
    assert!(server.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn configurations_of_their_cache_are_enough() {
    let (server, caches) = (Server::honest(golden(SHARDED)), Caches::new());
    let files = ["config.json", "preprocessor_config.json"];
    caches.fill(&golden(SHARDED), &files, COMMIT);
    let dir = caches
        .hub(&server.url())
        .configs(&model(), None, &())
        .unwrap();
    assert!(dir.starts_with(caches.hf_cache()), "{}", dir.display());
    assert!(server.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn processors_in_one_file_are_enough() {
    let source = tempfile::tempdir().unwrap();
    let files = ["config.json", "model.safetensors", "processor_config.json"];
    for name in &files[..2] {
        std::fs::copy(golden(SINGLE).join(name), source.path().join(name)).unwrap();
    }
    for (nested, is_found) in [
        (r#"{"image_processor": {}}"#, true),
        (r#"{"processor_class": "Glm4vProcessor"}"#, false),
    ] {
        std::fs::write(source.path().join(files[2]), nested).unwrap();
        let caches = Caches::new();
        caches.fill(source.path(), &files, COMMIT);
        let hub = unreachable(&caches);
        assert_eq!(hub.find(&model(), None).unwrap().is_some(), is_found);
    }
}
