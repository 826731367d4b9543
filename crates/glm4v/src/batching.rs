//! How inputs become batches, and how a batch is split for the devices: pure functions over sizes.

use std::ops::Range;

use glm4v_config::{GridThw, PatchKind};

/// Inputs that are open at the same time, if they have less than [`MAX_OPEN_BYTES`].
const OPEN_INPUTS: usize = 64;
/// The same while the open inputs do not fill a batch.
const MAX_OPEN_INPUTS: usize = 1024;
/// Bytes that open inputs keep in memory. The input that exceeds them is the last.
const MAX_OPEN_BYTES: u64 = 32 << 20;
/// Bytes that each open video counts for. They limit how many videos are probed in advance to about 8. A video does not use
/// this memory.
const VIDEO_BYTES: u64 = 4 << 20;

/// The size of one image or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputSize {
    /// The grid, in patches.
    pub grid: GridThw,
    /// Whether its patch rows are those of an image or of a video.
    pub kind: PatchKind,
    /// Bytes that the open input keeps in memory until it is read: the file of an image.
    pub open_bytes: u64,
    /// Bytes while the input is decoded, beside its patch rows and its file.
    pub decode_bytes: u64,
    /// Whether the input was opened before its turn, and stays open: a pipe that was surveyed.
    pub stays_open: bool,
}

impl InputSize {
    /// A decoded image.
    #[must_use]
    pub const fn image(grid: GridThw) -> Self {
        Self {
            grid,
            kind: PatchKind::Image,
            open_bytes: 0,
            decode_bytes: 0,
            stays_open: false,
        }
    }
}

/// Consecutive frames of one image or video: their grid, and the kind of their patch rows.
pub(crate) type FrameSpan = (GridThw, PatchKind);

/// Consecutive frames of a batch that one device encodes at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MicroBatch {
    /// Patch rows of the batch.
    pub(crate) rows: Range<usize>,
    /// Its frames. Attention never leaves a frame, so a video can be split between frames.
    pub(crate) spans: Vec<FrameSpan>,
}

/// How many of the next inputs are open and read. The plan and the pipeline follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LookAhead {
    /// Inputs in the next batch. A larger input makes a batch alone.
    pub(crate) batch: usize,
    /// Inputs that are open before the batch is read, at most. Threads open several at the same time.
    pub(crate) open: usize,
    /// Inputs to open next, at the same time. It is 0 if enough are open.
    pub(crate) to_open: usize,
}

/// Follows the sizes of the next inputs. An input that failed has no patches. If `max_patches` is 1, one input is open at a time.
pub(crate) fn look_ahead(
    inputs: impl IntoIterator<Item = InputSize>,
    max_patches: usize,
    threads: usize,
) -> LookAhead {
    let max_open = if max_patches > 1 { MAX_OPEN_INPUTS } else { 1 };
    let (mut len, mut batch, mut patches, mut bytes) = (0, 0, 0_usize, 0_u64);
    let left = |len: usize, patches: usize, bytes: u64| {
        let fits = bytes < MAX_OPEN_BYTES && (len < OPEN_INPUTS || patches <= max_patches);
        if fits { max_open - len } else { 0 }
    };
    for input in inputs {
        if left(len, patches, bytes) == 0 {
            break;
        }
        len += 1;
        patches = patches.saturating_add(input.grid.num_patches());
        bytes = bytes.saturating_add(match input.kind {
            PatchKind::Image => input.open_bytes,
            PatchKind::Video => input.open_bytes.saturating_add(VIDEO_BYTES),
        });
        if len == 1 || patches <= max_patches {
            batch = len;
        }
    }
    LookAhead {
        batch,
        open: (len + threads.saturating_sub(1)).min(max_open),
        to_open: left(len, patches, bytes).min(threads),
    }
}

/// Splits a batch into micro-batches of at most `max_patches` patches. A larger frame makes a micro-batch alone.
pub(crate) fn micro_batches(
    spans: &[FrameSpan],
    max_patches: usize,
) -> impl Iterator<Item = MicroBatch> {
    let patches = |frame: GridThw| frame.num_patches() as u64;
    split(spans, max_patches as u64, patches)
}

/// Splits a batch into contiguous shares, at most one a device, that minimise the maximum cost.
pub(crate) fn shares(
    spans: &[FrameSpan],
    devices: usize,
    cost: impl Fn(GridThw) -> u64,
) -> Vec<MicroBatch> {
    let frame = |span: &FrameSpan| cost(GridThw { t: 1, ..span.0 });
    // The answer lies between the cost of the costliest frame and the cost of all frames.
    let mut low = spans.iter().map(frame).max().unwrap_or(0);
    let mut high = spans.iter().map(|span| span.0.t as u64 * frame(span)).sum();
    while low < high {
        let middle = low + (high - low) / 2;
        match split(spans, middle, &cost).nth(devices) {
            None => high = middle,
            Some(_) => low = middle + 1,
        }
    }
    split(spans, high, cost).collect()
}

/// Splits a batch between frames so that each micro-batch costs at most `max_cost`. A costlier frame is alone.
///
/// This is an iterator because a video can have millions of frames.
fn split(
    spans: &[FrameSpan],
    max_cost: u64,
    cost: impl Fn(GridThw) -> u64,
) -> impl Iterator<Item = MicroBatch> {
    let mut items = spans.iter().copied().filter(|(grid, _)| grid.t > 0);
    // The frames that remain of the item in which the last micro-batch ended.
    let mut rest = items.next();
    let mut row = 0;
    std::iter::from_fn(move || {
        let (start, mut budget, mut spans) = (row, max_cost, Vec::new());
        while let Some((grid, kind)) = rest {
            let frames = |t| (GridThw { t, ..grid }, kind);
            let frame_cost = cost(GridThw { t: 1, ..grid });
            let fitting = budget.checked_div(frame_cost).unwrap_or(u64::MAX);
            let t = match fitting.min(grid.t as u64) as usize {
                0 if spans.is_empty() => 1,
                0 => break,
                t => t,
            };
            budget = budget.saturating_sub(t as u64 * frame_cost);
            row += t * grid.h * grid.w;
            spans.push(frames(t));
            rest = match grid.t - t {
                0 => items.next(),
                left => Some(frames(left)),
            };
        }
        let rows = start..row;
        (!spans.is_empty()).then_some(MicroBatch { rows, spans })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(grids: &[[usize; 3]]) -> Vec<FrameSpan> {
        let kind = |grid: &[usize; 3]| match grid {
            [1, ..] => PatchKind::Image,
            _ => PatchKind::Video,
        };
        let span = |grid: &[usize; 3]| ((*grid).into(), kind(grid));
        grids.iter().map(span).collect()
    }

    fn rows(grids: &[[usize; 3]], max_patches: usize) -> Vec<Range<usize>> {
        let spans = spans(grids);
        let split = micro_batches(&spans, max_patches);
        split.map(|batch| batch.rows).collect()
    }

    fn grids(batch: &MicroBatch) -> Vec<GridThw> {
        batch.spans.iter().map(|span| span.0).collect()
    }

    #[test]
    fn batches_hold_whole_inputs() {
        let batch_len = |patches: &[usize], max_patches| {
            let patches = patches.iter();
            let sizes = patches.map(|patches| InputSize::image(GridThw::new(1, 1, *patches)));
            look_ahead(sizes, max_patches, 1).batch
        };
        assert_eq!(batch_len(&[4, 5, 6, 1], 10), 2);
        assert_eq!(batch_len(&[6, 1, 2, 2], 10), 3);
        assert_eq!(batch_len(&[20, 1], 10), 1);
        assert_eq!(batch_len(&[4, 5, 6], 1), 1);
        assert_eq!(batch_len(&[], 10), 0);
        // Inputs that failed take no patches, and never end the work.
        assert_eq!(batch_len(&[0, 0, 20, 1], 10), 2);
        assert_eq!(batch_len(&[20, 0, 0], 10), 1);
        // Small images fill a large batch, up to the largest look-ahead.
        assert_eq!(batch_len(&[100; 200], 16_384), 163);
        assert_eq!(batch_len(&[1; 2000], 16_384), 1024);
    }

    #[test]
    fn the_look_ahead_is_bounded_by_count_and_bytes() {
        let image = |open_bytes| InputSize {
            open_bytes,
            ..InputSize::image(GridThw::new(1, 10, 10))
        };
        let video = InputSize {
            kind: PatchKind::Video,
            ..image(0)
        };
        let open = |inputs: &[InputSize], max_patches, threads| {
            look_ahead(inputs.iter().copied(), max_patches, threads).open
        };
        assert_eq!(open(&[image(1); 100], 1024, 1), 64);
        assert_eq!(open(&[image(20 << 20); 9], 1024, 1), 2);
        // One input is open, however large it is.
        assert_eq!(open(&[image(u64::MAX), image(1)], 1024, 1), 1);
        assert_eq!(open(&[], 1024, 1), 0);
        // The input that exceeds a batch is known.
        assert_eq!(open(&[image(1); 300], 16_384, 1), 164);
        assert_eq!(open(&[video; 20], 16_384, 1), 8);
        assert_eq!(open(&[image(20 << 20); 9], 1024, 4), 5);
        for threads in [1, 4] {
            assert_eq!(open(&[image(1); 9], 1, threads), 1);
        }
    }

    /// Opens inputs as the pipeline does, and compares with what the plan knows.
    #[test]
    fn no_more_inputs_are_open_than_the_plan_counts() {
        let size = |index: usize| InputSize {
            kind: [PatchKind::Image, PatchKind::Video][usize::from(index.is_multiple_of(7))],
            open_bytes: (index as u64 * 37 % 11) << 20,
            ..InputSize::image(GridThw::new(1, 2, 1 + index * 13 % 50))
        };
        let sizes: Vec<InputSize> = (0..300).map(size).collect();
        for (max_patches, threads) in [(1, 4), (100, 1), (100, 4), (1000, 16)] {
            let ahead =
                |inputs: &[InputSize]| look_ahead(inputs.iter().copied(), max_patches, threads);
            let (mut first, mut opened) = (0, 0);
            while first < sizes.len() {
                while let to_open @ 1.. = ahead(&sizes[first..opened]).to_open
                    && opened < sizes.len()
                {
                    opened = (opened + to_open).min(sizes.len());
                }
                let planned = ahead(&sizes[first..]);
                assert!(opened - first <= planned.open, "{first}, {opened}");
                assert_eq!(ahead(&sizes[first..opened]).batch, planned.batch);
                first += planned.batch;
            }
        }
    }

    #[test]
    fn a_video_is_split_between_frames() {
        assert_eq!(rows(&[[5, 2, 2]], 9), [0..8, 8..16, 16..20]);
        let spans = spans(&[[3, 2, 4]]);
        let mut split = micro_batches(&spans, 16).map(|batch| grids(&batch));
        assert_eq!(split.next().unwrap(), [GridThw::new(2, 2, 4)]);
        assert_eq!(split.next().unwrap(), [GridThw::new(1, 2, 4)]);
        assert_eq!(split.next(), None);
    }

    #[test]
    fn micro_batches_are_filled_across_items_in_order() {
        assert_eq!(
            rows(&[[1, 2, 2], [2, 2, 2], [1, 2, 6]], 10),
            [0..8, 8..12, 12..24]
        );
        let spans = spans(&[[1, 2, 2], [2, 2, 2]]);
        let split: Vec<MicroBatch> = micro_batches(&spans, 100).collect();
        assert_eq!(split, [MicroBatch { rows: 0..12, spans }]);
    }

    #[test]
    fn frames_keep_their_kind() {
        let items = spans(&[[1, 2, 2], [3, 2, 2], [1, 2, 4]]);
        let images = |max_patches| {
            let is_image = |span: &&FrameSpan| span.1 == PatchKind::Image;
            let split = micro_batches(&items, max_patches);
            let images = split.map(|batch| batch.spans.iter().filter(is_image).count());
            images.collect::<Vec<_>>()
        };
        assert_eq!(images(100), [2]);
        // The last frame of the video is no image.
        assert_eq!(images(4), [1, 0, 0, 0, 1]);
        let shares = shares(&items, 4, |frame| frame.num_patches() as u64);
        let kinds = shares.iter().map(|share| share.spans[0].1);
        let expected = [PatchKind::Image, PatchKind::Video, PatchKind::Image];
        assert_eq!(kinds.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_larger_frame_is_alone() {
        assert_eq!(
            rows(&[[1, 1, 99], [1, 1, 1], [1, 1, 99]], 10),
            [0..99, 99..100, 100..199]
        );
        assert_eq!(rows(&[[2, 1, 99]], 0), [0..99, 99..198]);
    }

    #[test]
    fn every_frame_is_in_one_micro_batch() {
        let items = spans(&[[3, 2, 4], [1, 6, 2], [7, 2, 2], [1, 2, 2], [2, 4, 6]]);
        let one_by_one = |spans: &[FrameSpan]| -> Vec<(usize, usize)> {
            let grids = spans.iter().map(|span| span.0);
            let frames = grids.flat_map(|grid| std::iter::repeat_n((grid.h, grid.w), grid.t));
            frames.collect()
        };
        for max_patches in 0..150 {
            let mut frames = Vec::new();
            let mut row = 0;
            for batch in micro_batches(&items, max_patches) {
                let patches: usize = grids(&batch).iter().map(|grid| grid.num_patches()).sum();
                assert_eq!(batch.rows, row..row + patches);
                let found = one_by_one(&batch.spans);
                assert!(patches <= max_patches || found.len() == 1);
                row += patches;
                frames.extend(found);
            }
            assert_eq!(frames, one_by_one(&items));
        }
    }

    #[test]
    fn nothing_makes_no_micro_batch() {
        assert!(rows(&[], 10).is_empty());
        let split: Vec<MicroBatch> = micro_batches(&spans(&[[0, 2, 2], [1, 2, 2]]), 10).collect();
        assert_eq!(split.len(), 1);
        assert_eq!(split[0].rows, 0..4);
    }

    /// A frame costs the square of its patches.
    fn shared(grids: &[[usize; 3]], devices: usize) -> Vec<Range<usize>> {
        let cost = |frame: GridThw| (frame.num_patches() * frame.num_patches()) as u64;
        let shares = shares(&spans(grids), devices, cost).into_iter();
        shares.map(|share| share.rows).collect()
    }

    #[test]
    fn shares_minimise_the_maximum_cost() {
        // 9 + 9 | 81, for two devices or more.
        let grids = [[2, 1, 3], [1, 1, 9]];
        assert_eq!(shared(&grids, 1), std::slice::from_ref(&(0..15)));
        assert_eq!(shared(&grids, 2), [0..6, 6..15]);
        assert_eq!(shared(&grids, 8), [0..6, 6..15]);
        // 81 | 81 | 1 + 1, though thirds of the sum fall elsewhere.
        let grids = [[1, 1, 9], [1, 1, 9], [2, 1, 1]];
        assert_eq!(shared(&grids, 3), [0..9, 9..18, 18..20]);
    }

    #[test]
    fn a_video_is_shared_frame_by_frame_and_a_frame_is_not() {
        assert_eq!(shared(&[[5, 2, 2]], 2), [0..12, 12..20]);
        assert_eq!(shared(&[[1, 2, 2]], 4), std::slice::from_ref(&(0..4)));
    }
}
