use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use super::{Inputs, ReadBatch};

/// The batches of [`Inputs`], one after another.
///
/// If [`BatchLimits::prefetch`](crate::plan::BatchLimits::prefetch) is set, a thread reads the next batch while the caller
/// works on one. Otherwise each batch is read when it is requested. [`crate::pipeline`] has an example.
pub struct Batches(Reading);

enum Reading {
    Inline(Box<Inputs>),
    Prefetch(Prefetch),
}

struct Prefetch {
    batches: Receiver<ReadBatch>,
    /// `None` after the thread was joined.
    thread: Option<JoinHandle<()>>,
}

impl Batches {
    /// The batches of `inputs`.
    #[must_use]
    pub fn new(inputs: Inputs) -> Self {
        // A browser has no threads.
        let prefetch = inputs.limits().prefetch && cfg!(not(target_family = "wasm"));
        Self(match prefetch {
            true => Reading::Prefetch(Prefetch::new(inputs)),
            false => Reading::Inline(Box::new(inputs)),
        })
    }
}

impl Iterator for Batches {
    type Item = ReadBatch;

    /// # Panics
    /// If the thread that reads has panicked.
    fn next(&mut self) -> Option<ReadBatch> {
        match &mut self.0 {
            Reading::Inline(inputs) => inputs.next_batch(),
            Reading::Prefetch(prefetch) => prefetch.next(),
        }
    }
}

impl Prefetch {
    /// The thread ends when `Prefetch` is dropped, after the batch that it reads. Nothing waits for it.
    fn new(mut inputs: Inputs) -> Self {
        // The channel has no buffer, so at most one batch waits in the thread.
        let (sender, batches) = sync_channel(0);
        let thread = thread::spawn(move || {
            while let Some(batch) = inputs.next_batch()
                && sender.send(batch).is_ok()
            {}
        });
        Self {
            batches,
            thread: Some(thread),
        }
    }

    fn next(&mut self) -> Option<ReadBatch> {
        if let Ok(batch) = self.batches.recv() {
            return Some(batch);
        }
        if let Err(panic) = self.thread.take()?.join() {
            resume_unwind(panic);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use burn::tensor::FloatDType;
    use glm4v_config::Preset;
    use glm4v_preprocess::{Processor, ReadOptions};
    use image::DynamicImage;

    use super::*;
    use crate::InputSource;
    use crate::devices::Backend;
    use crate::plan::{BatchLimits, Target};

    fn batches(sources: impl Iterator<Item = InputSource> + Send + 'static, gpu: bool) -> Batches {
        let limits = BatchLimits {
            max_batch_patches: 1,
            prefetch: gpu,
            ..BatchLimits::new(&Target::new(Backend::Flex, FloatDType::F32))
        };
        let processor = Arc::new(Processor::from_preset(Preset::Tiny));
        Batches::new(Inputs::new(
            sources,
            processor,
            ReadOptions::default(),
            limits,
        ))
    }

    fn images(count: u32) -> impl Iterator<Item = InputSource> {
        (4..4 + count).map(|columns| DynamicImage::new_rgb8(28 * columns, 112).into())
    }

    #[test]
    fn prefetched_batches_come_in_order() {
        for gpu in [false, true] {
            let patches = batches(images(5), gpu).map(|batch| batch.patches.num_patches());
            assert_eq!(patches.collect::<Vec<_>>(), [64, 80, 96, 112, 128]);
        }
    }

    /// A device that takes longer for a batch than reading takes. It must never wait, and little must be read in advance.
    #[test]
    fn a_slow_device_never_waits_and_reading_is_bounded() {
        use std::sync::Mutex;
        use std::time::{Duration, Instant};

        const BATCH: Duration = Duration::from_millis(200);
        const COUNT: usize = 8;
        let start = Instant::now();
        let opened = Arc::new(Mutex::new(Vec::new()));
        let times = Arc::clone(&opened);
        let sources =
            images(COUNT as u32).inspect(move |_| times.lock().unwrap().push(start.elapsed()));
        let mut batches = batches(sources, true);
        let (mut trace, mut longest_wait, mut most_ahead) = (String::new(), Duration::ZERO, 0);
        for number in 0..COUNT {
            let requested = Instant::now();
            assert!(batches.next().is_some());
            let wait = requested.elapsed();
            let encoding = start.elapsed();
            thread::sleep(BATCH);
            let ahead = opened.lock().unwrap().len() - number - 1;
            let line = format!(
                "batch {number}: waited {:3} ms, encoded from {:4} ms to {:4} ms, {ahead} opened in advance",
                wait.as_millis(),
                encoding.as_millis(),
                start.elapsed().as_millis()
            );
            trace += &line;
            trace.push('\n');
            if number > 0 {
                longest_wait = longest_wait.max(wait);
            }
            most_ahead = most_ahead.max(ahead);
        }
        println!("{trace}");
        assert!(longest_wait < BATCH / 4, "the device waited:\n{trace}");
        // One batch waits for the device. The thread does not open the next one before it is taken.
        assert_eq!(most_ahead, 1, "{trace}");
    }

    #[test]
    fn a_panic_of_the_reading_thread_reaches_the_caller() {
        // Batches of one input open one input, so that the second batch needs one more.
        let sources = images(1).chain(std::iter::from_fn(|| panic!("broken iterator")));
        let mut batches = batches(sources, true);
        assert!(batches.next().is_some());
        let panic = catch_unwind(AssertUnwindSafe(|| batches.next())).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"broken iterator"));
        assert!(batches.next().is_none());
    }

    #[test]
    fn the_reading_thread_ends_with_its_receiver() {
        let mut batches = batches(images(1000), true);
        assert!(batches.next().is_some());
        let Reading::Prefetch(prefetch) = batches.0 else {
            panic!("a GPU prefetches");
        };
        drop(prefetch.batches);
        prefetch.thread.unwrap().join().unwrap();
    }
}
