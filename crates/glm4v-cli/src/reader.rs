//! Inputs read by threads of their own, as many ahead as are asked for.

use std::collections::VecDeque;
use std::panic;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use glm4v::{Error, Input, MediaOptions, Processor};
use indicatif::ProgressBar;

/// Reads what it is told, several inputs at a time, and hands them over in the order in which it was told.
///
/// Each thread reads one input at a time, whose pixels alone it holds. (In the pool that resizes them, a thread that waits
/// for others would begin another.) Nothing waits for the threads when the program ends: they write nothing, and an ffmpeg
/// that writes frames ends with its reader; one that counts those of a damaged file goes on to the file's end.
pub(crate) struct Reader {
    jobs: Sender<Job>,
    pending: VecDeque<Pending>,
}

struct Job {
    path: PathBuf,
    answer: Sender<Answer>,
}

struct Pending {
    path: PathBuf,
    answer: Receiver<Answer>,
    input: Option<Answer>,
}

type Answer = Result<Input, Error>;

impl Reader {
    /// A reader of `threads` threads.
    pub(crate) fn new(
        threads: usize,
        processor: &Arc<Processor>,
        options: &MediaOptions,
        bar: &ProgressBar,
    ) -> Self {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let (queue, processor) = (Arc::clone(&queue), Arc::clone(processor));
            let (options, bar) = (options.clone(), bar.clone());
            thread::spawn(move || {
                while let Some(Job { path, answer }) = take(&queue) {
                    let input = processor.read(&path, &options);
                    bar.inc(1);
                    // Where nobody waits for it any more, the program is ending.
                    let _ = answer.send(input);
                }
            });
        }
        Self {
            jobs,
            pending: VecDeque::new(),
        }
    }

    /// Reads one more, as soon as a thread is free.
    pub(crate) fn start(&mut self, path: PathBuf) {
        let (answer, receiver) = mpsc::channel();
        self.pending.push_back(Pending {
            path: path.clone(),
            answer: receiver,
            input: None,
        });
        // Where all threads have panicked the job is dropped, which whoever takes its answer notices.
        let _ = self.jobs.send(Job { path, answer });
    }

    /// How many are being read, or read and not taken.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Waits until all that were started are read.
    pub(crate) fn wait(&mut self) {
        self.pending.iter_mut().for_each(Pending::wait);
    }

    /// The first failure among those that are read.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        self.pending.iter_mut().for_each(Pending::look);
        let mut inputs = self.pending.iter_mut().map(|pending| &mut pending.input);
        inputs
            .find(|input| matches!(input, Some(Err(_))))
            .and_then(|input| input.take()?.err())
    }

    /// The next one, when it is read.
    pub(crate) fn next(&mut self) -> Option<(PathBuf, Answer)> {
        let mut pending = self.pending.pop_front()?;
        pending.wait();
        Some((pending.path, pending.input?))
    }
}

impl Pending {
    fn wait(&mut self) {
        if self.input.is_none() {
            // A thread that panicked has said so, and dropped its end.
            let input = self.answer.recv();
            self.input = Some(input.unwrap_or_else(|_| panic::resume_unwind(Box::new(()))));
        }
    }

    fn look(&mut self) {
        if self.input.is_none() {
            self.input = self.answer.try_recv().ok();
        }
    }
}

fn take(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.recv().ok()
}

#[cfg(test)]
mod tests {
    use glm4v::Preset;

    use super::*;

    fn picture(name: &str) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images")).join(name)
    }

    fn reader(threads: usize) -> Reader {
        let processor = Arc::new(Processor::of_preset(Preset::Tiny).unwrap());
        let bar = ProgressBar::hidden();
        Reader::new(threads, &processor, &MediaOptions::default(), &bar)
    }

    #[test]
    fn inputs_come_in_order_whoever_is_faster() {
        let names = [
            "coffee-336.jpg",
            "rgb-60x83.png",
            "chelsea.png",
            "rgb-90x62.png",
        ];
        for threads in [1, 3] {
            let mut reader = reader(threads);
            for name in names {
                reader.start(picture(name));
            }
            assert_eq!(reader.len(), 4);
            for name in names {
                let (path, input) = reader.next().unwrap();
                assert_eq!(path, picture(name));
                assert!(input.unwrap().patches.num_patches() > 0);
            }
            assert!(reader.next().is_none());
        }
    }

    #[test]
    fn a_failure_is_known_before_its_turn_and_the_first_one_counts() {
        let mut reader = reader(2);
        for name in ["chelsea.png", "none-1.png", "none-2.png"] {
            reader.start(picture(name));
        }
        reader.wait();
        let error = reader.failure().unwrap().to_string();
        assert!(error.contains("none-1.png"), "{error}");
    }
}
