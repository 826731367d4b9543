//! Waiting for a disk in several threads at once.

use std::thread;

/// More than the processor has cores: the threads wait for a disk, or for a server that has the files.
const THREADS: usize = 16;
/// For fewer items another thread is not worth its start.
const ITEMS_PER_THREAD: usize = 64;

/// The most items that keep all threads busy.
pub(super) const MOST_ITEMS: usize = THREADS * ITEMS_PER_THREAD;

/// The results of `work`, in the order of the items.
pub(super) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let map_part = |part: &[T]| part.iter().map(&work).collect::<Vec<_>>();
    if items.len() <= ITEMS_PER_THREAD {
        return map_part(items);
    }
    thread::scope(|scope| {
        let start = |part| {
            let part = move || map_part(part);
            thread::Builder::new()
                .spawn_scoped(scope, part)
                .map_err(|_| part)
        };
        let parts: Vec<_> = items.chunks(ITEMS_PER_THREAD).map(start).collect();
        let results = parts.into_iter().flat_map(|part| match part {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // The system allows no further thread.
            Err(part) => part(),
        });
        results.collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        for count in [0, 1, ITEMS_PER_THREAD, ITEMS_PER_THREAD + 1, MOST_ITEMS] {
            let items: Vec<_> = (0..count).collect();
            let expected: Vec<_> = items.iter().map(|item| item * 2).collect();
            assert_eq!(map(&items, |item| item * 2), expected, "{count}");
        }
    }

    #[test]
    fn all_threads_wait_at_the_same_time() {
        let items: Vec<_> = (0..MOST_ITEMS).collect();
        let barrier = Barrier::new(THREADS);
        let threads: HashSet<_> = map(&items, |item| {
            if item.is_multiple_of(ITEMS_PER_THREAD) {
                barrier.wait();
            }
            thread::current().id()
        })
        .into_iter()
        .collect();
        assert_eq!(threads.len(), THREADS);
    }
}
