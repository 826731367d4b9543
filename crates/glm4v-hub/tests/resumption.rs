//! Fetches that were interrupted.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use glm4v_hub::{Hub, HubError};
use support::{COMMIT, Caches, Heard, SHARDED, Server, assert_fetched, golden, model, tower_bytes};

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
