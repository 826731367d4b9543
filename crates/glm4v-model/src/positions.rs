//! How patches read the position table: torch's bicubic `grid_sample` with `align_corners=False` and
//! `padding_mode="border"`.

use crate::layout::BatchLayout;

/// Table entries that the interpolation reads for one patch: 4 × 4.
pub(crate) const TAPS: usize = 16;
/// Parameter of the bicubic kernel in torch's `grid_sample`.
const CUBIC_A: f32 = -0.75;

/// The table entries that each patch reads, and their weights: both `[TAPS, patches]`.
pub(crate) struct PositionTaps {
    pub(crate) indices: Vec<i32>,
    pub(crate) weights: Vec<f32>,
}

impl PositionTaps {
    /// The taps of all patches of `layout`, in a table of `side`² entries.
    pub(crate) fn new(layout: &BatchLayout, side: usize) -> Self {
        let patches = layout.num_patches();
        let mut taps = Self {
            indices: vec![0; TAPS * patches],
            weights: vec![0.0; TAPS * patches],
        };
        let mut patch = 0;
        layout.for_each_patch(|(y, x), (h, w)| {
            let (rows, row_weights) = cubic(y, h, side);
            let (columns, column_weights) = cubic(x, w, side);
            for tap in 0..TAPS {
                let (row, column) = (tap / 4, tap % 4);
                taps.indices[tap * patches + patch] = (rows[row] * side + columns[column]) as i32;
                taps.weights[tap * patches + patch] = row_weights[row] * column_weights[column];
            }
            patch += 1;
        });
        taps
    }
}

/// The four entries of `side` that the centre of patch `index` of `count` reads, and their weights.
fn cubic(index: usize, count: usize, side: usize) -> ([usize; 4], [f32; 4]) {
    // The reference converts to coordinates in −1..1 and back. The same steps give the same rounding.
    let normalized = ((index as f32 + 0.5) / count as f32) * 2.0 - 1.0;
    let centre = ((normalized + 1.0) * side as f32 - 1.0) / 2.0;
    let floor = centre.floor();
    let t = centre - floor;
    let last = side as i64 - 1;
    let entries = [-1, 0, 1, 2].map(|offset| (floor as i64 + offset).clamp(0, last) as usize);
    let weights = [
        cubic_far(t + 1.0),
        cubic_near(t),
        cubic_near(1.0 - t),
        cubic_far(2.0 - t),
    ];
    (entries, weights)
}

/// The cubic convolution kernel at distances 0 to 1.
fn cubic_near(x: f32) -> f32 {
    ((CUBIC_A + 2.0) * x - (CUBIC_A + 3.0)) * x * x + 1.0
}

/// The cubic convolution kernel at distances 1 to 2.
fn cubic_far(x: f32) -> f32 {
    ((CUBIC_A * x - 5.0 * CUBIC_A) * x + 8.0 * CUBIC_A) * x - 4.0 * CUBIC_A
}

#[cfg(test)]
mod tests {
    use glm4v_config::GridThw;

    use super::*;

    #[test]
    fn a_grid_of_the_tables_size_reads_the_table_itself() {
        let layout = BatchLayout::new(&[GridThw::new(1, 4, 4)], 2);
        let taps = PositionTaps::new(&layout, 4);
        let patches = 16;
        // The fourth patch is at (1, 1), which is entry 5. Its own tap is that of row 1 and column 1.
        assert_eq!(taps.indices[5 * patches + 3], 5);
        for tap in 0..TAPS {
            let expected = if tap == 5 { 1.0 } else { 0.0 };
            assert!((taps.weights[tap * patches + 3] - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn taps_beyond_the_border_read_the_border() {
        let (entries, weights) = cubic(0, 8, 4);
        assert_eq!(entries, [0, 0, 0, 1]);
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
