use std::fmt::Display;
use std::ops::Range;

use glm4v_config::{GridThw, PatchKind};
use ndarray::{Array2, ArrayView2, CowArray, Ix2};

use crate::PreprocessError;
use crate::span::{CHANNELS, PatchSpan, SpanRows};

/// The patch rows of one or more images and videos: a batch for the tower.
///
/// The reference repeats an image `temporal_patch_size` times, so that each of its rows contains the same frame as
/// often. Here, a row of an image contains its frame once, and the tower repeats it. [`Patches::pixel_values`] gives the
/// reference's rows.
///
/// ```
/// use glm4v_config::{GridThw, PatchKind};
/// use glm4v_preprocess::Patches;
/// use ndarray::Array2;
///
/// // Two images of 2 × 2 patches; a row has 3 · 14² values.
/// let grids = vec![GridThw::new(1, 2, 2); 2];
/// let images = Patches::from_images(Array2::zeros((8, 588)), grids, 2)?;
/// let video = Patches::from_pixel_values(Array2::zeros((4, 1176)), vec![GridThw::new(1, 2, 2)])?;
/// let batch = Patches::concat(&[images, video])?;
/// assert_eq!((batch.num_patches(), batch.num_tokens(2)), (12, 3));
/// let blocks = batch.rows(0..12);
/// assert_eq!(blocks[0].1.shape(), [8, 588]);
/// assert_eq!((blocks[1].0, blocks[1].1.shape()), (PatchKind::Video, &[4, 1176][..]));
/// # Ok::<(), glm4v_preprocess::PreprocessError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Patches {
    /// The stored rows, one input after another.
    values: Vec<f32>,
    spans: Vec<PatchSpan>,
    /// Values of the reference's rows.
    row_len: usize,
}

impl Patches {
    /// Patches of the reference's rows, which belong to `grids` in their order, each in merge-block order. Their kind is
    /// [`PatchKind::Video`], because the rows contain all frames.
    ///
    /// # Shapes
    /// `pixel_values`: `[patches, channels · temporal_patch_size · patch_size²]`
    ///
    /// # Errors
    /// [`PreprocessError::Rows`] where the number of rows is not the number of patches in the grids.
    pub fn from_pixel_values(
        pixel_values: Array2<f32>,
        grids: Vec<GridThw>,
    ) -> Result<Self, PreprocessError> {
        let row_len = pixel_values.ncols();
        Self::from_rows(pixel_values, &grids, PatchKind::Video, row_len)
    }

    /// Patches of images, whose rows contain the one frame that the reference repeats `temporal_patch_size` times.
    ///
    /// # Shapes
    /// `rows`: `[patches, 3 · patch_size²]`
    ///
    /// # Errors
    /// [`PreprocessError::Rows`] where the number of rows is not the number of patches in the grids. The same for rows
    /// without three channels, and for a `temporal_patch_size` of 0.
    pub fn from_images(
        rows: Array2<f32>,
        grids: Vec<GridThw>,
        temporal_patch_size: usize,
    ) -> Result<Self, PreprocessError> {
        let valid = rows.ncols().is_multiple_of(CHANNELS) && temporal_patch_size > 0;
        let row_len = rows.ncols().checked_mul(temporal_patch_size);
        let Some(row_len) = row_len.filter(|_| valid) else {
            let width = "3 · patch_size², repeated at least once";
            return Err(rows_error("any", width, rows.shape()));
        };
        Self::from_rows(rows, &grids, PatchKind::Image, row_len)
    }

    fn from_rows(
        rows: Array2<f32>,
        grids: &[GridThw],
        kind: PatchKind,
        row_len: usize,
    ) -> Result<Self, PreprocessError> {
        let inputs = grids.iter().map(|&grid| (grid, kind, rows.ncols()));
        let spans = PatchSpan::place(inputs).map(|(spans, _)| spans);
        let expected = spans
            .as_ref()
            .map(|spans| spans.last().map_or(0, |span| span.rows().end));
        match spans {
            Some(spans) if expected == Some(rows.nrows()) => Ok(Self {
                values: in_order(rows),
                spans,
                row_len,
            }),
            Some(_) | None => {
                let expected =
                    expected.map_or("more than fit in memory".into(), |rows| rows.to_string());
                Err(rows_error(&expected, rows.ncols(), rows.shape()))
            }
        }
    }

    /// A batch without inputs, whose rows would have `row_len` values.
    #[must_use]
    pub const fn empty(row_len: usize) -> Self {
        Self {
            values: Vec::new(),
            spans: Vec::new(),
            row_len,
        }
    }

    /// Rows of zeros for inputs, each with the width of its stored rows.
    pub(crate) fn zeroed(
        inputs: impl IntoIterator<Item = (GridThw, PatchKind, usize)>,
        row_len: usize,
    ) -> Result<Self, PreprocessError> {
        let (spans, len) = PatchSpan::place(inputs).ok_or(PreprocessError::Allocation)?;
        // This reservation reports what `vec!` could not: it would abort the program. The vector itself is not reserved,
        // because `vec!` gets its zeros from the system.
        let mut reservation = Vec::<f32>::new();
        reservation
            .try_reserve_exact(len)
            .map_err(|_| PreprocessError::Allocation)?;
        drop(std::hint::black_box(reservation));
        Ok(Self {
            values: vec![0.0; len],
            spans,
            row_len,
        })
    }

    /// The stored rows of each input, for writing.
    pub(crate) fn split_mut(&mut self) -> Vec<&mut [f32]> {
        let mut rest = &mut self.values[..];
        let own = |span: &PatchSpan| {
            rest.split_off_mut(..span.values().len())
                .expect("the spans cover the values")
        };
        self.spans.iter().map(own).collect()
    }

    /// Removes the inputs for which `keep` is false. The rows of the others move up.
    ///
    /// # Panics
    /// If `keep` has not one value for each input.
    pub fn retain(&mut self, keep: &[bool]) {
        assert_eq!(keep.len(), self.spans.len(), "one value for each input");
        let kept = self.spans.iter().zip(keep).filter(|(_, keep)| **keep);
        let old: Vec<PatchSpan> = kept.map(|(span, _)| *span).collect();
        let inputs = old.iter().map(|span| (span.grid, span.kind, span.width));
        let (spans, len) = PatchSpan::place(inputs).expect("fewer values than before");
        for (old, new) in old.iter().zip(&spans) {
            self.values.copy_within(old.values(), new.first_value);
        }
        self.values.truncate(len);
        self.spans = spans;
    }

    /// Joins batches in their order.
    ///
    /// # Errors
    /// [`PreprocessError::Rows`] where their rows differ in width.
    pub fn concat(batches: &[Self]) -> Result<Self, PreprocessError> {
        let row_len = batches.first().map_or(0, |batch| batch.row_len);
        if let Some(odd) = batches.iter().find(|batch| batch.row_len != row_len) {
            let found = [odd.num_patches(), odd.row_len];
            return Err(rows_error("any", row_len, &found));
        }
        let values: Vec<&[f32]> = batches.iter().map(|batch| &batch.values[..]).collect();
        let spans = batches.iter().flat_map(|batch| &batch.spans);
        let inputs = spans.map(|span| (span.grid, span.kind, span.width));
        let (spans, _) = PatchSpan::place(inputs).expect("all values are in memory");
        Ok(Self {
            values: values.concat(),
            spans,
            row_len,
        })
    }

    /// The patches of each input. Memory holds the rows once, and those of one input a second time.
    #[must_use]
    pub fn split(mut self) -> Vec<Self> {
        let mut parts = Vec::with_capacity(self.spans.len());
        // What is taken from the end leaves the rest in its place.
        while let Some(span) = self.spans.pop() {
            let values = self.values.split_off(span.first_value);
            self.values.shrink_to_fit();
            let input = [(span.grid, span.kind, span.width)];
            let (spans, _) = PatchSpan::place(input).expect("fewer values than before");
            parts.push(Self {
                values,
                spans,
                row_len: self.row_len,
            });
        }
        parts.reverse();
        parts
    }

    /// The reference's rows. They are a copy if the batch contains images, whose frames are repeated.
    ///
    /// # Shapes
    /// `[patches, channels · temporal_patch_size · patch_size²]`
    #[must_use]
    pub fn pixel_values(&self) -> CowArray<'_, f32, Ix2> {
        let shape = (self.num_patches(), self.row_len);
        if self.spans.iter().all(|span| span.width == self.row_len) {
            let view = ArrayView2::from_shape(shape, &self.values);
            return view.expect("rows are whole").into();
        }
        let mut values = Vec::with_capacity(shape.0 * shape.1);
        for span in self.iter() {
            span.repeat_frames(&mut values);
        }
        let rows = Array2::from_shape_vec(shape, values);
        rows.expect("every row becomes a whole one").into()
    }

    /// The place of each image or video, in order.
    #[must_use]
    pub fn spans(&self) -> &[PatchSpan] {
        &self.spans
    }

    /// The grid of each image or video.
    #[must_use]
    pub fn grids(&self) -> Vec<GridThw> {
        self.spans.iter().map(|span| span.grid).collect()
    }

    /// Values of a row of [`Patches::pixel_values`].
    #[must_use]
    pub const fn row_len(&self) -> usize {
        self.row_len
    }

    /// The stored rows of each image or video.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SpanRows<'_>> {
        self.spans.iter().map(|span| SpanRows {
            grid: span.grid,
            kind: span.kind,
            rows: self.view((span.rows().len(), span.width), span.values()),
            repeats: self.row_len / span.width.max(1),
        })
    }

    /// The stored rows in `range`, in blocks of one kind, one below the other.
    #[must_use]
    pub fn rows(&self, range: Range<usize>) -> Vec<(PatchKind, ArrayView2<'_, f32>)> {
        let blocks = self.blocks(range).into_iter();
        let view = |(kind, width, values): (PatchKind, usize, Range<usize>)| {
            (kind, self.view((values.len() / width, width), values))
        };
        blocks.map(view).collect()
    }

    /// All stored rows in blocks of one kind, one below the other. A batch of one kind is not copied.
    #[must_use]
    pub fn into_rows(self) -> Vec<(PatchKind, Array2<f32>)> {
        match self.blocks(0..self.num_patches()).as_slice() {
            [(kind, width, values)] => {
                let shape = (values.len() / width, *width);
                let rows = Array2::from_shape_vec(shape, self.values);
                vec![(*kind, rows.expect("rows are whole"))]
            }
            blocks => {
                let copy = |(kind, width, values): &(PatchKind, usize, Range<usize>)| {
                    let rows = self.view((values.len() / width, *width), values.clone());
                    (*kind, rows.to_owned())
                };
                blocks.iter().map(copy).collect()
            }
        }
    }

    /// The blocks of [`Patches::rows`]: kind, width and values.
    fn blocks(&self, range: Range<usize>) -> Vec<(PatchKind, usize, Range<usize>)> {
        let mut blocks: Vec<(PatchKind, usize, Range<usize>)> = Vec::new();
        for span in &self.spans {
            let rows = span.rows();
            let value = |row: usize| {
                let row = row.clamp(rows.start, rows.end) - rows.start;
                span.first_value + row * span.width
            };
            let values = value(range.start)..value(range.end);
            if values.is_empty() {
                continue;
            }
            match blocks.last_mut() {
                Some((kind, width, block)) if (*kind, *width) == (span.kind, span.width) => {
                    block.end = values.end;
                }
                Some(_) | None => blocks.push((span.kind, span.width, values)),
            }
        }
        blocks
    }

    fn view(&self, shape: (usize, usize), values: Range<usize>) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape(shape, &self.values[values]).expect("rows are whole")
    }

    /// Patches of all images and videos, before the merge.
    #[must_use]
    pub fn num_patches(&self) -> usize {
        self.spans.last().map_or(0, |span| span.rows().end)
    }

    /// Tokens of all images and videos, after the merge.
    #[must_use]
    pub fn num_tokens(&self, spatial_merge_size: usize) -> usize {
        let tokens = |span: &PatchSpan| span.grid.num_tokens(spatial_merge_size);
        self.spans.iter().map(tokens).sum()
    }
}

/// The values, row after row.
fn in_order(rows: Array2<f32>) -> Vec<f32> {
    let rows = match rows.is_standard_layout() {
        true => rows,
        false => rows.as_standard_layout().into_owned(),
    };
    let len = rows.len();
    let (mut values, first) = rows.into_raw_vec_and_offset();
    let first = first.unwrap_or(0);
    values.truncate(first + len);
    values.drain(..first);
    values
}

fn rows_error(rows: &str, width: impl Display, found: &[usize]) -> PreprocessError {
    PreprocessError::Rows {
        expected: format!("[{rows}, {width}]"),
        found: format!("{found:?}"),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{array, s};

    use super::*;

    const PAIR: GridThw = GridThw::new(1, 1, 2);
    const ONE: GridThw = GridThw::new(1, 1, 1);

    /// An image with two patches of two pixels, a video with one patch, and the image again.
    fn mixed() -> Patches {
        let images = array![
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [7.0, 8.0, 9.0, 10.0, 11.0, 12.0]
        ];
        let images = Patches::from_images(images, vec![PAIR], 2).unwrap();
        let video = Array2::from_shape_fn((1, 12), |(_, column)| -(column as f32));
        let video = Patches::from_pixel_values(video, vec![ONE]).unwrap();
        Patches::concat(&[images.clone(), video, images]).unwrap()
    }

    #[test]
    fn rows_are_dealt_to_the_grids_in_order() {
        let patches =
            Patches::from_pixel_values(array![[1.0], [2.0], [3.0]], vec![PAIR, ONE]).unwrap();
        let items: Vec<_> = patches.iter().map(|item| (item.grid, item.rows)).collect();
        assert_eq!(items[0], (PAIR, array![[1.0], [2.0]].view()));
        assert_eq!(items[1], (ONE, array![[3.0]].view()));
        assert_eq!((patches.num_patches(), patches.num_tokens(1)), (3, 3));
    }

    #[test]
    fn the_number_of_rows_is_that_of_the_patches() {
        let error = Patches::from_pixel_values(Array2::zeros((3, 5)), vec![PAIR]).unwrap_err();
        assert!(
            error.to_string().ends_with("[2, 5], found [3, 5]"),
            "{error}"
        );
        let endless = GridThw::new(usize::MAX, 2, 1);
        assert!(Patches::from_pixel_values(Array2::zeros((3, 5)), vec![endless]).is_err());
    }

    #[test]
    fn rows_of_images_have_three_channels_and_are_repeated() {
        let rows = |width| Array2::zeros((2, width));
        for (width, frames) in [(5, 2), (6, 0)] {
            let error = Patches::from_images(rows(width), vec![PAIR], frames).unwrap_err();
            let found = format!("found [2, {width}]");
            assert!(error.to_string().ends_with(&found), "{error}");
        }
        let three = Patches::from_images(rows(6), vec![PAIR, ONE], 2).unwrap_err();
        assert!(three.to_string().contains("[3, 6]"), "{three}");
    }

    #[test]
    fn rows_become_contiguous() {
        let transposed = array![[1.0, 2.0], [3.0, 4.0]].reversed_axes();
        let patches = Patches::from_pixel_values(transposed, vec![PAIR]).unwrap();
        let values = patches.pixel_values();
        assert_eq!(values.as_slice().unwrap(), [1.0, 3.0, 2.0, 4.0]);

        let cut = array![[1.0], [2.0], [3.0], [4.0]].slice_move(s![1..3, ..]);
        let patches = Patches::from_pixel_values(cut, vec![PAIR]).unwrap();
        assert_eq!(patches.pixel_values(), array![[2.0], [3.0]]);
    }

    #[test]
    fn batches_are_joined_in_order() {
        let first = Patches::from_pixel_values(array![[1.0], [2.0]], vec![PAIR]).unwrap();
        let second = Patches::from_pixel_values(array![[3.0]], vec![ONE]).unwrap();
        let joined = Patches::concat(&[first.clone(), second]).unwrap();
        assert_eq!(joined.pixel_values(), array![[1.0], [2.0], [3.0]]);
        assert_eq!(joined.grids(), [PAIR, ONE]);

        let wide = Patches::from_pixel_values(Array2::zeros((1, 2)), vec![ONE]).unwrap();
        let error = Patches::concat(&[first, wide]).unwrap_err().to_string();
        assert!(error.ends_with("[any, 1], found [1, 2]"), "{error}");
    }

    #[test]
    fn an_image_repeats_its_frame_channel_by_channel() {
        let patches = mixed();
        let values = patches.pixel_values();
        assert_eq!(values.dim(), (5, 12));
        let image = array![1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 5.0, 6.0, 5.0, 6.0];
        assert_eq!(values.row(0), image);
        assert_eq!(values.row(3), image);
        assert_eq!(values[(2, 11)], -11.0);
        let items: Vec<_> = patches.iter().map(|item| item.pixel_values()).collect();
        assert_eq!(items[2], values.slice(s![3.., ..]));
        assert_eq!(items[1], values.slice(s![2..3, ..]));
    }

    #[test]
    fn blocks_have_one_kind_wherever_they_start() {
        let (image, video) = (PatchKind::Image, PatchKind::Video);
        let patches = mixed();
        let rows = |range: Range<usize>| -> Vec<_> {
            let blocks = patches.rows(range).into_iter();
            blocks
                .map(|(kind, rows)| (kind, rows[(0, 0)], rows.dim()))
                .collect()
        };
        let all = [
            (image, 1.0, (2, 6)),
            (video, 0.0, (1, 12)),
            (image, 1.0, (2, 6)),
        ];
        assert_eq!(rows(0..5), all);
        assert_eq!(rows(1..3), [(image, 7.0, (1, 6)), (video, 0.0, (1, 12))]);
        assert_eq!(rows(4..5), [(image, 7.0, (1, 6))]);
        assert_eq!(rows(3..3), []);
        let alike = Patches::concat(&[patches.clone(), patches]).unwrap();
        let widths: Vec<_> = alike.rows(0..10).iter().map(|rows| rows.1.dim()).collect();
        assert_eq!(widths, [(2, 6), (1, 12), (4, 6), (1, 12), (2, 6)]);
        let owned = alike.clone().into_rows();
        let borrowed = alike.rows(0..10).into_iter();
        assert!(
            owned
                .iter()
                .map(|(kind, rows)| (*kind, rows.view()))
                .eq(borrowed)
        );
    }

    #[test]
    fn rows_of_one_kind_are_given_away_without_a_copy() {
        let rows = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]];
        let address = rows.as_ptr();
        let patches = Patches::from_images(rows, vec![PAIR, ONE], 2).unwrap();
        let [(kind, rows)] = &patches.into_rows()[..] else {
            panic!("several blocks");
        };
        assert_eq!((*kind, rows.dim()), (PatchKind::Image, (3, 3)));
        assert_eq!(rows.as_ptr(), address);
    }

    #[test]
    fn parts_are_the_whole_together() {
        let (all, parts) = (mixed(), mixed().split());
        let grids: Vec<_> = parts.iter().map(Patches::grids).collect();
        assert_eq!(grids, [[PAIR], [ONE], [PAIR]]);
        assert_eq!(Patches::concat(&parts).unwrap(), all);
        assert!(Patches::empty(12).split().is_empty());
    }

    #[test]
    fn inputs_are_removed_and_the_others_move_up() {
        let spans = |patches: &Patches| -> Vec<_> {
            let spans = patches.spans().iter();
            spans
                .map(|span| (span.grid, span.kind, span.rows()))
                .collect()
        };
        let (image, video) = (PatchKind::Image, PatchKind::Video);
        let all = mixed();
        assert_eq!(
            spans(&all),
            [(PAIR, image, 0..2), (ONE, video, 2..3), (PAIR, image, 3..5)]
        );
        let mut last_two = all.clone();
        last_two.retain(&[false, true, true]);
        assert_eq!(spans(&last_two), [(ONE, video, 0..1), (PAIR, image, 1..3)]);
        let values = all.pixel_values();
        assert_eq!(last_two.pixel_values(), values.slice(s![2.., ..]));
        let mut none = all;
        none.retain(&[false; 3]);
        assert_eq!(
            (none.num_patches(), none.pixel_values().dim()),
            (0, (0, 12))
        );
    }
}
