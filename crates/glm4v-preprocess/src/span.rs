use std::ops::Range;

use glm4v_config::{GridThw, PatchKind};
use ndarray::{Array2, ArrayView2, CowArray, Ix2};

/// Colour channels of an image's row.
pub(crate) const CHANNELS: usize = 3;

/// The place of one image or video in [`crate::Patches`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchSpan {
    /// The patch grid.
    pub grid: GridThw,
    /// Whether the stored rows contain one frame or `temporal_patch_size` frames.
    pub kind: PatchKind,
    /// Values of a stored row.
    pub(crate) width: usize,
    first_row: usize,
    pub(crate) first_value: usize,
}

impl PatchSpan {
    /// The rows of this input in the batch.
    #[must_use]
    pub const fn rows(&self) -> Range<usize> {
        self.first_row..self.first_row + self.grid.num_patches()
    }

    pub(crate) fn values(&self) -> Range<usize> {
        self.first_value..self.first_value + self.grid.num_patches() * self.width
    }

    /// Places inputs one after another, each with the width of its rows. `None` where they are more than can be counted.
    pub(crate) fn place(
        inputs: impl IntoIterator<Item = (GridThw, PatchKind, usize)>,
    ) -> Option<(Vec<Self>, usize)> {
        let (mut first_row, mut first_value) = (0_usize, 0_usize);
        let place = |(grid, kind, width): (GridThw, PatchKind, usize)| {
            let span = Self {
                grid,
                kind,
                width,
                first_row,
                first_value,
            };
            let rows = grid.t.checked_mul(grid.h)?.checked_mul(grid.w)?;
            first_row = first_row.checked_add(rows)?;
            first_value = first_value.checked_add(rows.checked_mul(width)?)?;
            Some(span)
        };
        let spans = inputs.into_iter().map(place).collect::<Option<_>>()?;
        Some((spans, first_value))
    }
}

/// The stored rows of one image or video of [`crate::Patches`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpanRows<'a> {
    /// The patch grid.
    pub grid: GridThw,
    /// Whether the rows contain one frame or `temporal_patch_size` frames.
    pub kind: PatchKind,
    /// `[patches, channels · patch_size²]` for an image, and
    /// `[patches, channels · temporal_patch_size · patch_size²]` for a video.
    pub rows: ArrayView2<'a, f32>,
    /// How often the reference repeats the frame of a row.
    pub(crate) repeats: usize,
}

impl<'a> SpanRows<'a> {
    /// [`crate::Patches::pixel_values`] of this image or video.
    #[must_use]
    pub fn pixel_values(&self) -> CowArray<'a, f32, Ix2> {
        let [rows, width] = [self.rows.nrows(), self.rows.ncols() * self.repeats];
        if self.repeats == 1 {
            return self.rows.into();
        }
        let mut values = Vec::with_capacity(rows * width);
        self.repeat_frames(&mut values);
        let rows = Array2::from_shape_vec((rows, width), values);
        rows.expect("every row becomes a whole one").into()
    }

    /// Appends the reference's rows: for each channel, the frame as often as the reference repeats it.
    pub(crate) fn repeat_frames(&self, values: &mut Vec<f32>) {
        let stored = self.rows.to_slice().expect("rows are contiguous");
        if self.repeats == 1 {
            return values.extend_from_slice(stored);
        }
        // A row without values has no planes.
        for plane in stored.chunks_exact((self.rows.ncols() / CHANNELS).max(1)) {
            for _ in 0..self.repeats {
                values.extend_from_slice(plane);
            }
        }
    }
}
