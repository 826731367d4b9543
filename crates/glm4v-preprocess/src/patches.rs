use std::fmt::Display;
use std::ops::Range;

use glm4v_config::GridThw;
use ndarray::{Array2, ArrayView2, CowArray, Ix2};

use crate::PreprocessError;

/// Colour channels of a still's row.
pub(crate) const CHANNELS: usize = 3;

/// Patch rows of one or more stills or clips, ready for the tower.
///
/// The reference repeats a still `temporal_patch_size` times, so that each of its rows holds everything as often. Here
/// rows of stills hold their frame once, and the tower reads them so; [`Patches::pixel_values`] gives the reference's.
#[derive(Clone, Debug, PartialEq)]
pub struct Patches {
    /// The rows as they are held, one item after another.
    values: Vec<f32>,
    grids: Vec<GridThw>,
    /// For each item, how many equal frames one in its rows stands for: 1 where rows are whole.
    repeats: Vec<usize>,
    /// Values of a whole row.
    row_len: usize,
}

/// One still or clip of [`Patches`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatchRows<'a> {
    /// Its grid.
    pub grid: GridThw,
    /// Its rows as they are held: `[patches, channels · patch_size²]` of a still, and of other items
    /// `[patches, channels · temporal_patch_size · patch_size²]`.
    pub rows: ArrayView2<'a, f32>,
    repeat: usize,
}

impl Patches {
    /// Patches of `pixel_values`, [patches, channels · temporal_patch_size · patch_size²], which belong to `grids` in
    /// their order, each in merge-block order.
    ///
    /// # Errors
    /// [`PreprocessError::Rows`] where the rows are not as many as the grids have patches.
    pub fn new(pixel_values: Array2<f32>, grids: Vec<GridThw>) -> Result<Self, PreprocessError> {
        let row_len = pixel_values.ncols();
        Self::held(pixel_values, grids, 1, row_len)
    }

    /// Patches of stills: `rows`, [patches, 3 · patch_size²], hold the one frame that each still repeats
    /// `temporal_patch_size` times.
    ///
    /// # Errors
    /// [`PreprocessError::Rows`] where the rows are not as many as the grids have patches, or not of three channels, and
    /// where there is no frame.
    pub fn stills(
        rows: Array2<f32>,
        grids: Vec<GridThw>,
        temporal_patch_size: usize,
    ) -> Result<Self, PreprocessError> {
        let divides = rows.ncols().is_multiple_of(CHANNELS) && temporal_patch_size > 0;
        let row_len = rows.ncols().checked_mul(temporal_patch_size);
        let Some(row_len) = row_len.filter(|_| divides) else {
            let width = "3 · patch_size², for one frame or more";
            return Err(rows_error("any", width, rows.shape()));
        };
        Self::held(rows, grids, temporal_patch_size, row_len)
    }

    fn held(
        rows: Array2<f32>,
        grids: Vec<GridThw>,
        repeat: usize,
        row_len: usize,
    ) -> Result<Self, PreprocessError> {
        let expected = checked_patches(&grids);
        if expected != Some(rows.nrows()) {
            let expected =
                expected.map_or("more than fit in memory".into(), |rows| rows.to_string());
            return Err(rows_error(&expected, rows.ncols(), rows.shape()));
        }
        Ok(Self {
            values: in_order(rows),
            repeats: vec![repeat; grids.len()],
            grids,
            row_len,
        })
    }

    /// Room for the rows of `items`, each with the number of equal frames that one stands for.
    pub(crate) fn zeroed(
        items: impl IntoIterator<Item = (GridThw, usize)>,
        row_len: usize,
    ) -> Result<Self, PreprocessError> {
        let (grids, repeats): (Vec<GridThw>, Vec<usize>) = items.into_iter().unzip();
        let too_large = || PreprocessError::TooLarge {
            what: "values",
            limit: (isize::MAX as usize / size_of::<f32>()) as u64,
            found: format!("rows of {row_len} values for {grids:?}, more than can be allocated"),
        };
        let len = |(grid, repeat): (&GridThw, &usize)| {
            checked_patches(std::slice::from_ref(grid))?.checked_mul(row_len / repeat)
        };
        let lens = grids.iter().zip(&repeats).map(len);
        let values = lens
            .reduce(|sum, own| sum?.checked_add(own?))
            .unwrap_or(Some(0))
            .ok_or_else(too_large)?;
        // Asked for and given back: what cannot be had is an error here, and would end the program in the next line,
        // which unlike a reserved vector gets its zeros from the system.
        let mut probe = Vec::<f32>::new();
        probe.try_reserve_exact(values).map_err(|_| too_large())?;
        drop(std::hint::black_box(probe));
        Ok(Self {
            values: vec![0.0; values],
            grids,
            repeats,
            row_len,
        })
    }

    /// The rows of each item as they are held, to be written.
    pub(crate) fn split_mut(&mut self) -> Vec<&mut [f32]> {
        let mut rest = &mut self.values[..];
        let items = self.grids.iter().zip(&self.repeats);
        let own = |(grid, repeat): (&GridThw, &usize)| {
            let len = grid.num_patches() * (self.row_len / repeat);
            rest.split_off_mut(..len)
                .expect("the values are those of the items")
        };
        items.map(own).collect()
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
        let grids = batches.iter().flat_map(|batch| &batch.grids);
        let repeats = batches.iter().flat_map(|batch| &batch.repeats);
        Ok(Self {
            values: values.concat(),
            grids: grids.copied().collect(),
            repeats: repeats.copied().collect(),
            row_len,
        })
    }

    /// The reference's rows, [patches, channels · temporal_patch_size · patch_size²]: where there are stills, made for
    /// the asking.
    #[must_use]
    pub fn pixel_values(&self) -> CowArray<'_, f32, Ix2> {
        let shape = (self.num_patches(), self.row_len);
        if self.repeats.iter().all(|&repeat| repeat == 1) {
            let view = ArrayView2::from_shape(shape, &self.values);
            return view.expect("rows are whole").into();
        }
        let mut values = Vec::with_capacity(shape.0 * shape.1);
        for item in self {
            item.repeat_frames(&mut values);
        }
        let rows = Array2::from_shape_vec(shape, values);
        rows.expect("every row becomes a whole one").into()
    }

    /// The grid of each still or clip.
    #[must_use]
    pub fn grids(&self) -> &[GridThw] {
        &self.grids
    }

    /// Values of a row of [`Patches::pixel_values`].
    #[must_use]
    pub const fn row_len(&self) -> usize {
        self.row_len
    }

    /// Each still or clip.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            patches: self,
            next: 0,
            values: &self.values,
        }
    }

    /// Rows `range` of all items as they are held, in parts of equal width, one below the other.
    #[must_use]
    pub fn parts(&self, range: Range<usize>) -> Vec<ArrayView2<'_, f32>> {
        let mut spans: Vec<(Range<usize>, usize)> = Vec::new();
        let (mut row, mut value) = (0, 0);
        for (grid, repeat) in self.grids.iter().zip(&self.repeats) {
            let (rows, width) = (grid.num_patches(), self.row_len / repeat);
            let inside = |row_of_all: usize| row_of_all.clamp(row, row + rows) - row;
            let own = value + inside(range.start) * width..value + inside(range.end) * width;
            (row, value) = (row + rows, value + rows * width);
            match spans.last_mut() {
                _ if own.is_empty() => {}
                Some((span, last)) if *last == width => span.end = own.end,
                _ => spans.push((own, width)),
            }
        }
        let part = |(span, width): (Range<usize>, usize)| {
            let shape = (span.len() / width, width);
            ArrayView2::from_shape(shape, &self.values[span]).expect("whole rows")
        };
        spans.into_iter().map(part).collect()
    }

    /// Rows of all grids together.
    #[must_use]
    pub fn num_patches(&self) -> usize {
        self.grids.iter().map(|grid| grid.num_patches()).sum()
    }

    /// Tokens that the tower makes of all grids together.
    #[must_use]
    pub fn num_tokens(&self, spatial_merge_size: usize) -> usize {
        let tokens = |grid: &GridThw| grid.num_tokens(spatial_merge_size);
        self.grids.iter().map(tokens).sum()
    }
}

/// The stills and clips of [`Patches`], in order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    patches: &'a Patches,
    next: usize,
    values: &'a [f32],
}

impl<'a> Iterator for Iter<'a> {
    type Item = PatchRows<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let grid = *self.patches.grids.get(self.next)?;
        let repeat = self.patches.repeats[self.next];
        self.next += 1;
        let shape = (grid.num_patches(), self.patches.row_len / repeat);
        let (own, rest) = self.values.split_at(shape.0 * shape.1);
        self.values = rest;
        let rows = ArrayView2::from_shape(shape, own).expect("whole rows");
        Some(PatchRows { grid, rows, repeat })
    }
}

impl<'a> IntoIterator for &'a Patches {
    type Item = PatchRows<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> PatchRows<'a> {
    /// [`Patches::pixel_values`] of this item.
    #[must_use]
    pub fn pixel_values(&self) -> CowArray<'a, f32, Ix2> {
        let [rows, width] = [self.rows.nrows(), self.rows.ncols() * self.repeat];
        if self.repeat == 1 {
            return self.rows.into();
        }
        let mut values = Vec::with_capacity(rows * width);
        self.repeat_frames(&mut values);
        let rows = Array2::from_shape_vec((rows, width), values);
        rows.expect("every row becomes a whole one").into()
    }

    /// Appends the whole rows: of each channel, the frame as often as it stands for.
    fn repeat_frames(&self, values: &mut Vec<f32>) {
        let held = self.rows.to_slice().expect("rows are contiguous");
        if self.repeat == 1 {
            return values.extend_from_slice(held);
        }
        // A row without values has no planes.
        for plane in held.chunks_exact((self.rows.ncols() / CHANNELS).max(1)) {
            for _ in 0..self.repeat {
                values.extend_from_slice(plane);
            }
        }
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

/// Patches of all grids, unless there are more than can be counted.
fn checked_patches(grids: &[GridThw]) -> Option<usize> {
    grids.iter().try_fold(0_usize, |rows, grid| {
        let patches = grid.t.checked_mul(grid.h)?.checked_mul(grid.w)?;
        rows.checked_add(patches)
    })
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

    /// A still of two patches of two pixels, twice in a row, and a clip's patch.
    fn mixed() -> Patches {
        let stills = array![
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [7.0, 8.0, 9.0, 10.0, 11.0, 12.0]
        ];
        let stills = Patches::stills(stills, vec![PAIR], 2).unwrap();
        let clip = Array2::from_shape_fn((1, 12), |(_, column)| -(column as f32));
        let clip = Patches::new(clip, vec![ONE]).unwrap();
        Patches::concat(&[stills.clone(), clip, stills]).unwrap()
    }

    #[test]
    fn rows_are_dealt_to_the_grids_in_order() {
        let patches = Patches::new(array![[1.0], [2.0], [3.0]], vec![PAIR, ONE]).unwrap();
        let items: Vec<_> = patches.iter().map(|item| (item.grid, item.rows)).collect();
        assert_eq!(items[0], (PAIR, array![[1.0], [2.0]].view()));
        assert_eq!(items[1], (ONE, array![[3.0]].view()));
        assert_eq!((patches.num_patches(), patches.num_tokens(1)), (3, 3));
    }

    #[test]
    fn rows_must_be_as_many_as_patches() {
        let error = Patches::new(Array2::zeros((3, 5)), vec![PAIR]).unwrap_err();
        assert!(
            error.to_string().ends_with("[2, 5], found [3, 5]"),
            "{error}"
        );
        let endless = GridThw::new(usize::MAX, 2, 1);
        assert!(Patches::new(Array2::zeros((3, 5)), vec![endless]).is_err());
    }

    #[test]
    fn rows_of_stills_have_three_channels_and_a_frame() {
        let rows = |width| Array2::zeros((2, width));
        for (width, frames) in [(5, 2), (6, 0)] {
            let error = Patches::stills(rows(width), vec![PAIR], frames).unwrap_err();
            let found = format!("found [2, {width}]");
            assert!(error.to_string().ends_with(&found), "{error}");
        }
        let three = Patches::stills(rows(6), vec![PAIR, ONE], 2).unwrap_err();
        assert!(three.to_string().contains("[3, 6]"), "{three}");
    }

    #[test]
    fn rows_are_contiguous_whatever_comes_in() {
        let transposed = array![[1.0, 2.0], [3.0, 4.0]].reversed_axes();
        let patches = Patches::new(transposed, vec![PAIR]).unwrap();
        let values = patches.pixel_values();
        assert_eq!(values.as_slice().unwrap(), [1.0, 3.0, 2.0, 4.0]);

        let cut = array![[1.0], [2.0], [3.0], [4.0]].slice_move(s![1..3, ..]);
        let patches = Patches::new(cut, vec![PAIR]).unwrap();
        assert_eq!(patches.pixel_values(), array![[2.0], [3.0]]);
    }

    #[test]
    fn batches_are_joined_in_order() {
        let first = Patches::new(array![[1.0], [2.0]], vec![PAIR]).unwrap();
        let second = Patches::new(array![[3.0]], vec![ONE]).unwrap();
        let joined = Patches::concat(&[first.clone(), second]).unwrap();
        assert_eq!(joined.pixel_values(), array![[1.0], [2.0], [3.0]]);
        assert_eq!(joined.grids(), [PAIR, ONE]);

        let wide = Patches::new(Array2::zeros((1, 2)), vec![ONE]).unwrap();
        let error = Patches::concat(&[first, wide]).unwrap_err().to_string();
        assert!(error.ends_with("[any, 1], found [1, 2]"), "{error}");
    }

    #[test]
    fn a_still_repeats_its_frame_channel_by_channel() {
        let patches = mixed();
        let values = patches.pixel_values();
        assert_eq!(values.dim(), (5, 12));
        let still = array![1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 5.0, 6.0, 5.0, 6.0];
        assert_eq!(values.row(0), still);
        assert_eq!(values.row(3), still);
        assert_eq!(values[(2, 11)], -11.0);
        let items: Vec<_> = patches.iter().map(|item| item.pixel_values()).collect();
        assert_eq!(items[2], values.slice(s![3.., ..]));
        assert_eq!(items[1], values.slice(s![2..3, ..]));
    }

    #[test]
    fn parts_are_of_one_width_wherever_they_are_cut() {
        let patches = mixed();
        let parts = |range: Range<usize>| -> Vec<_> {
            let parts = patches.parts(range).into_iter();
            parts.map(|part| (part[(0, 0)], part.dim())).collect()
        };
        let all = [(1.0, (2, 6)), (0.0, (1, 12)), (1.0, (2, 6))];
        assert_eq!(parts(0..5), all);
        assert_eq!(parts(1..3), [(7.0, (1, 6)), (0.0, (1, 12))]);
        assert_eq!(parts(4..5), [(7.0, (1, 6))]);
        assert_eq!(parts(3..3), []);
        let alike = Patches::concat(&[patches.clone(), patches]).unwrap();
        let widths: Vec<_> = alike.parts(0..10).iter().map(|part| part.dim()).collect();
        assert_eq!(widths, [(2, 6), (1, 12), (4, 6), (1, 12), (2, 6)]);
    }
}
