use std::borrow::Cow;
use std::sync::Mutex;

use glm4v_config::{GridThw, ImageProcessorConfig, PatchKind, SizeBudget};
use rayon::BroadcastContext;

use crate::codec::{DecodeMemory, rgb_bytes};
use crate::target::Target;
use crate::video_processor::video_bytes;
use crate::{Patches, PreprocessError, Processor, SampledFrames, Source};

/// An input that is ready to be read: its grid is known, and no pixel is decoded.
#[derive(Debug)]
#[non_exhaustive]
pub struct Probed {
    /// The opened input.
    pub source: Source,
    /// The grid of its patch rows.
    pub grid: GridThw,
    /// (height, width) of the source in pixels.
    pub size: (usize, usize),
    /// (height, width) in pixels of the source that the grid covers: [`GridThw::token_box`] takes it. It exceeds `size` where
    /// black is added at the right and at the bottom.
    pub canvas: (usize, usize),
    /// (height, width) of the resized source.
    pub(crate) content: (usize, usize),
    /// For a video, the frames that will be read.
    pub frames: Option<SampledFrames>,
    /// Upper bound of the host memory while this input is read, without its patch rows. It includes
    /// [`Source::stored_bytes`].
    pub decode_bytes: u64,
}

impl Probed {
    /// Whether a patch row contains one frame or `temporal_patch_size` frames.
    #[must_use]
    pub const fn kind(&self) -> PatchKind {
        match self.source {
            Source::Image(_) => PatchKind::Image,
            Source::Video(_) => PatchKind::Video,
        }
    }

    fn target(&self) -> Target {
        Target {
            grid: self.grid,
            content: self.content,
        }
    }
}

impl Processor {
    /// Computes the grid of an input, and samples the frames of a video.
    ///
    /// # Errors
    /// Those of [`Processor::grid`], [`Processor::video`] and [`crate::sample_frames`]. They name the file.
    pub fn probe(&self, source: Source) -> Result<Probed, PreprocessError> {
        self.probe_within(source, None)
    }

    /// [`Processor::probe`] with other limits of the size, for this input.
    ///
    /// # Errors
    /// Those of [`Processor::probe`], and [`PreprocessError::Config`] for limits that [`ImageProcessorConfig::within`]
    /// refuses.
    pub fn probe_within(
        &self,
        source: Source,
        budget: Option<SizeBudget>,
    ) -> Result<Probed, PreprocessError> {
        let planned = self.plan(&source, budget);
        let (frames, target) = planned.map_err(|error| error.named(source.name()))?;
        let Target { grid, content } = target;
        let size = source.size();
        let resized = self.resized(grid);
        let decode_bytes = match &source {
            Source::Image(image) => image.decode_bytes(resized),
            Source::Video(video) => {
                let count = frames.as_ref().map(|frames| frames.indices.len());
                video.decode_bytes() + self.decode_bytes(size, grid, count)
            }
        };
        Ok(Probed {
            source,
            grid,
            size,
            canvas: target.canvas_of(size, self.config().patch_size),
            content,
            frames,
            decode_bytes,
        })
    }

    /// The sampled frames of a video, and what the input becomes.
    fn plan(
        &self,
        source: &Source,
        budget: Option<SizeBudget>,
    ) -> Result<(Option<SampledFrames>, Target), PreprocessError> {
        match source {
            Source::Image(image) => {
                let (height, width) = image.size();
                let config = limited(self.config(), budget)?;
                Ok((None, Target::of_image(&config, height, width)?))
            }
            Source::Video(video) => {
                let processor = self.video()?;
                let frames = limited(&processor.config().frames, budget)?;
                let (frames, target) = processor.plan(&frames, video.metadata(), video.size())?;
                Ok((Some(frames), target))
            }
        }
    }

    /// Upper bound of the host memory while an image, or `num_frames` sampled frames of a video, of `size` (height,
    /// width) pixels become patch rows of `grid`. The rows and the decoder are not included: this bound is for inputs of
    /// which only the size is known.
    #[must_use]
    pub fn decode_bytes(
        &self,
        size: (usize, usize),
        grid: GridThw,
        num_frames: Option<usize>,
    ) -> u64 {
        let resized = self.resized(grid);
        match num_frames {
            None => DecodeMemory::in_memory(rgb_bytes(size)).until_resized(size, resized),
            Some(frames) => video_bytes(frames, self.config().temporal_patch_size, size, resized),
        }
    }

    /// (height, width) of the images that become patch rows of `grid`.
    fn resized(&self, grid: GridThw) -> (usize, usize) {
        // Before the rows are allocated, the sides can be of any size.
        let patch = self.config().patch_size;
        (grid.h * patch, grid.w * patch)
    }

    /// Reads inputs into one batch, in their order. All cores decode and resize, and write each input's rows where they
    /// belong.
    ///
    /// Each thread decodes one input at a time, so at most [`rayon::current_num_threads`] inputs are decoded in memory. In
    /// a thread of a rayon pool, the inputs are decoded one after another.
    ///
    /// An input that cannot be read has an error at its index, and no span in the batch. It does not affect the others.
    ///
    /// # Panics
    /// For inputs that a processor of another configuration probed.
    #[must_use]
    pub fn read_batch(&self, inputs: &[Probed]) -> (Patches, Vec<Option<PreprocessError>>) {
        let shapes = inputs.iter().map(|input| {
            let width = match input.kind() {
                PatchKind::Image => self.image().stored_row_len(),
                PatchKind::Video => self.image().row_len(),
            };
            (input.grid, input.kind(), width)
        });
        let row_len = self.image().row_len();
        let Ok(mut patches) = Patches::zeroed(shapes, row_len) else {
            let errors = inputs.iter().map(|_| Some(PreprocessError::Allocation));
            return (Patches::empty(row_len), errors.collect());
        };
        let work = inputs.iter().zip(patches.split_mut());
        let errors = map_in_order(work, |(input, rows)| {
            let error = self.read_into(input, rows).err()?;
            Some(error.named(input.source.name()))
        });
        if errors.iter().any(Option::is_some) {
            let keep: Vec<bool> = errors.iter().map(Option::is_none).collect();
            patches.retain(&keep);
        }
        (patches, errors)
    }

    fn read_into(&self, input: &Probed, rows: &mut [f32]) -> Result<(), PreprocessError> {
        match &input.source {
            Source::Image(image) => self.image().read_into(image, input.target(), rows),
            Source::Video(video) => {
                let frames = input.frames.as_ref().expect("a probed video is sampled");
                self.video()?
                    .read_into(video, &frames.indices, input.target(), rows)
            }
        }
    }
}

/// A configuration with the limits of an input.
fn limited(
    config: &ImageProcessorConfig,
    budget: Option<SizeBudget>,
) -> Result<Cow<'_, ImageProcessorConfig>, PreprocessError> {
    Ok(match budget {
        None => Cow::Borrowed(config),
        Some(budget) => Cow::Owned(config.within(budget)?),
    })
}

/// The results of `map` in the order of `items`. The threads of the pool share the items, and each maps one at a time.
///
/// A parallel iterator over the items would start more of them: while a thread waits for a part of its item, it takes any other
/// work of the pool. Here an item is not such work.
fn map_in_order<T: Send, R: Send>(
    items: impl ExactSizeIterator<Item = T> + Send,
    map: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    // A thread of the pool must not wait for threads that wait for the pool.
    let is_in_pool = rayon::current_thread_index().is_some();
    if items.len() <= 1 || is_in_pool || cfg!(target_family = "wasm") {
        return items.map(map).collect();
    }
    let items = Mutex::new(items.enumerate());
    let next = || items.lock().expect("`map` runs without the lock").next();
    let map_rest = |_: BroadcastContext<'_>| -> Vec<(usize, R)> {
        let items = std::iter::from_fn(next);
        items.map(|(index, item)| (index, map(item))).collect()
    };
    let mut results: Vec<(usize, R)> = rayon::broadcast(map_rest).into_iter().flatten().collect();
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rayon::prelude::*;

    use super::*;

    #[test]
    fn results_come_in_order_and_no_thread_starts_two_items() {
        let started = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let results = map_in_order(0..200, |item| {
            most.fetch_max(started.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Work of the pool inside an item, of different length
            let sum = (0..item % 7 * 1000).into_par_iter().sum::<u32>();
            started.fetch_sub(1, Ordering::SeqCst);
            (item, sum)
        });
        let expected = (0..200).map(|item| (item, (0..item % 7 * 1000).sum()));
        assert!(results.into_iter().eq(expected));
        assert!(most.into_inner() <= rayon::current_num_threads());
    }

    #[test]
    fn all_threads_of_the_pool_may_map() {
        let results = rayon::broadcast(|_| {
            map_in_order(0..9, |item| (0..1000).into_par_iter().map(|_| item).max())
        });
        for found in results {
            assert!(found.into_iter().eq((0..9).map(Some)));
        }
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        for count in [1, 100] {
            let map = || map_in_order(0..count, |_| panic!("broken item"));
            let results: Result<Vec<()>, _> = catch_unwind(AssertUnwindSafe(map));
            assert_eq!(results.unwrap_err().downcast_ref(), Some(&"broken item"));
        }
    }
}
