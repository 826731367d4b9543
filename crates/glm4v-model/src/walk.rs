use glm4v_config::GridThw;

/// Table entries that bicubic interpolation reads for one patch: 4 × 4.
pub(crate) const TAPS: usize = 16;
/// Bicubic kernel parameter of torch's `grid_sample`.
const CUBIC_A: f32 = -0.75;

/// One walk over the grids of a batch: where each patch stands, and with which others it attends.
///
/// A segment is one frame of one item, the patches that attend to one another. The tower wants segments of equal length
/// beside one another, so that they share one batched attention; all else in it works row by row. The walk therefore
/// puts the segments in that order once, before the first block, and says how to undo it.
#[derive(Clone, Debug)]
pub struct Walk {
    spatial_merge_size: usize,
    position_side: usize,
    /// Grids of the segments (h, w) in the tower's order.
    segments: Vec<(usize, usize)>,
    runs: Vec<Run>,
    order: Option<Orders>,
}

/// Consecutive segments of equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many.
    pub segments: usize,
    /// Patches of each.
    pub length: usize,
}

impl Run {
    /// The lengths of the segments of `runs`.
    pub(crate) fn lengths(runs: &[Self]) -> Vec<usize> {
        let segments = runs.iter();
        let lengths = segments.map(|run| std::iter::repeat_n(run.length, run.segments));
        lengths.flatten().collect()
    }

    /// Patches of all its segments.
    #[must_use]
    pub const fn num_patches(self) -> usize {
        self.segments * self.length
    }
}

/// Which table entries each patch reads, and how much of each: `[TAPS, patches]`.
pub(crate) struct PositionTaps {
    pub(crate) indices: Vec<i32>,
    pub(crate) weights: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Orders {
    from_batch: Vec<i32>,
    to_batch: Vec<i32>,
    tokens_to_batch: Vec<i32>,
}

impl Walk {
    /// Walks over `grids`, for a position table of `position_side`² entries.
    ///
    /// # Panics
    /// If a grid is empty or no whole number of merge blocks.
    #[must_use]
    pub fn new(grids: &[GridThw], spatial_merge_size: usize, position_side: usize) -> Self {
        let merge = spatial_merge_size;
        for grid in grids {
            let whole = grid.num_patches() > 0
                && grid.h.is_multiple_of(merge)
                && grid.w.is_multiple_of(merge);
            assert!(
                whole,
                "grid {grid} must be whole blocks of {merge}×{merge} patches"
            );
        }
        let batch: Vec<(usize, usize)> = grids
            .iter()
            .flat_map(|grid| std::iter::repeat_n((grid.h, grid.w), grid.t))
            .collect();
        let grouped = group_by_length(&batch);
        let order = (!grouped.is_sorted()).then(|| Orders::new(&batch, &grouped, merge * merge));
        let segments: Vec<_> = grouped.iter().map(|&index| batch[index]).collect();
        Self {
            spatial_merge_size,
            position_side,
            runs: runs(&segments),
            segments,
            order,
        }
    }

    /// Patches of all grids.
    #[must_use]
    pub fn num_patches(&self) -> usize {
        self.runs.iter().map(|run| run.num_patches()).sum()
    }

    /// The attention segments, in the tower's order.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// For each row in the tower's order, its row in the batch; `None` where the orders are the same.
    #[must_use]
    pub fn from_batch_order(&self) -> Option<&[i32]> {
        self.order.as_ref().map(|order| &order.from_batch[..])
    }

    /// For each row in the batch, its row in the tower's order; `None` where the orders are the same.
    #[must_use]
    pub fn to_batch_order(&self) -> Option<&[i32]> {
        self.order.as_ref().map(|order| &order.to_batch[..])
    }

    /// [`Walk::to_batch_order`] of the tokens.
    #[must_use]
    pub fn tokens_to_batch_order(&self) -> Option<&[i32]> {
        self.order.as_ref().map(|order| &order.tokens_to_batch[..])
    }

    /// Cosine and sine of the angles of the rotary embedding, each `[patches, head_dim / 2]`: first those of the row, then
    /// those of the column (`Glm4vVisionRotaryEmbedding`).
    pub(crate) fn rotary(&self, head_dim: usize, rope_theta: f64) -> [Vec<f32>; 2] {
        let axis_dim = (head_dim / 2) as f32;
        let frequencies: Vec<f32> = (0..head_dim / 2)
            .step_by(2)
            .map(|index| 1.0 / (rope_theta as f32).powf(index as f32 / axis_dim))
            .collect();
        let sides = self.segments.iter().map(|&(h, w)| h.max(w));
        let positions = sides.max().unwrap_or(0);
        let functions: [fn(f32) -> f32; 2] = [f32::cos, f32::sin];
        functions.map(|function| {
            // A few positions, each of many patches.
            let angles = (0..positions).flat_map(|position| {
                let frequencies = frequencies.iter();
                frequencies.map(move |frequency| position as f32 * frequency)
            });
            let table: Vec<f32> = angles.map(function).collect();
            let of = |position: usize| &table[position * frequencies.len()..][..frequencies.len()];
            let mut values = Vec::with_capacity(self.num_patches() * 2 * frequencies.len());
            self.for_each_patch(|(y, x), _| {
                values.extend_from_slice(of(y));
                values.extend_from_slice(of(x));
            });
            values
        })
    }

    /// How the position table is read (torch's bicubic `grid_sample`, `align_corners=False`, `padding_mode="border"`).
    pub(crate) fn position_taps(&self) -> PositionTaps {
        let side = self.position_side;
        let patches = self.num_patches();
        let mut taps = PositionTaps {
            indices: vec![0; TAPS * patches],
            weights: vec![0.0; TAPS * patches],
        };
        let mut patch = 0;
        self.for_each_patch(|(y, x), (h, w)| {
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

    /// Calls `visit` with the position (y, x) of each patch and its segment's grid (h, w), in the tower's order: merge
    /// block after merge block, and row by row within one.
    fn for_each_patch(&self, mut visit: impl FnMut((usize, usize), (usize, usize))) {
        let merge = self.spatial_merge_size;
        for &(h, w) in &self.segments {
            for block_y in (0..h).step_by(merge) {
                for block_x in (0..w).step_by(merge) {
                    for inner in 0..merge * merge {
                        visit((block_y + inner / merge, block_x + inner % merge), (h, w));
                    }
                }
            }
        }
    }
}

impl Orders {
    fn new(batch: &[(usize, usize)], grouped: &[usize], merge: usize) -> Self {
        let mut starts = Vec::with_capacity(batch.len());
        let mut rows = 0;
        for (h, w) in batch {
            starts.push(rows);
            rows += h * w;
        }
        let ranges = |unit: usize| {
            let range =
                move |start: usize, (h, w): (usize, usize)| start / unit..(start + h * w) / unit;
            grouped
                .iter()
                .flat_map(|&index| range(starts[index], batch[index]))
                .map(|row| row as i32)
                .collect::<Vec<_>>()
        };
        let from_batch = ranges(1);
        Self {
            to_batch: inverse(&from_batch),
            tokens_to_batch: inverse(&ranges(merge)),
            from_batch,
        }
    }
}

/// Indices of the segments, those of equal length together, in the order in which the lengths appear first.
fn group_by_length(segments: &[(usize, usize)]) -> Vec<usize> {
    let mut lengths: Vec<usize> = Vec::new();
    let ranks: Vec<usize> = segments
        .iter()
        .map(|(h, w)| {
            let known = lengths.iter().position(|length| *length == h * w);
            known.unwrap_or_else(|| {
                lengths.push(h * w);
                lengths.len() - 1
            })
        })
        .collect();
    let mut indices: Vec<usize> = (0..segments.len()).collect();
    indices.sort_by_key(|&index| ranks[index]);
    indices
}

fn runs(segments: &[(usize, usize)]) -> Vec<Run> {
    segments
        .chunk_by(|(h, w), (next_h, next_w)| h * w == next_h * next_w)
        .map(|run| Run {
            segments: run.len(),
            length: run[0].0 * run[0].1,
        })
        .collect()
}

fn inverse(permutation: &[i32]) -> Vec<i32> {
    let mut inverse = vec![0; permutation.len()];
    for (to, &from) in permutation.iter().enumerate() {
        inverse[from as usize] = to as i32;
    }
    inverse
}

/// The four entries, of `side`, that the centre of patch `index` of `count` reads, and their weights.
fn cubic(index: usize, count: usize, side: usize) -> ([usize; 4], [f32; 4]) {
    // The reference goes through coordinates in −1..1; going the same way keeps its rounding.
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
    use super::*;

    fn walk(grids: &[[usize; 3]], merge: usize, side: usize) -> Walk {
        let grids: Vec<GridThw> = grids.iter().copied().map(GridThw::from).collect();
        Walk::new(&grids, merge, side)
    }

    #[test]
    fn patches_are_visited_in_merge_block_order() {
        let mut visited = Vec::new();
        walk(&[[1, 2, 4]], 2, 3).for_each_patch(|position, _| visited.push(position));
        let expected = [
            (0, 0),
            (0, 1),
            (1, 0),
            (1, 1),
            (0, 2),
            (0, 3),
            (1, 2),
            (1, 3),
        ];
        assert_eq!(visited, expected);
    }

    #[test]
    fn equal_segments_are_brought_together_and_back() {
        // Lengths 4, 8, 4, 8 (another shape), 4, 4: two runs, and every row finds its way back.
        let walk = walk(
            &[[1, 2, 2], [1, 2, 4], [1, 2, 2], [1, 4, 2], [2, 2, 2]],
            2,
            3,
        );
        let expected = [
            Run {
                segments: 4,
                length: 4,
            },
            Run {
                segments: 2,
                length: 8,
            },
        ];
        assert_eq!(walk.runs(), expected);
        let from = walk.from_batch_order().unwrap();
        assert_eq!(from[..8], [0, 1, 2, 3, 12, 13, 14, 15]);
        let to = walk.to_batch_order().unwrap();
        assert!((0..32).all(|row| from[to[row] as usize] == row as i32));
        assert_eq!(
            walk.tokens_to_batch_order().unwrap(),
            [0, 4, 5, 1, 6, 7, 2, 3]
        );
    }

    #[test]
    fn equal_segments_side_by_side_stay_where_they_are() {
        let walk = walk(&[[2, 2, 2], [1, 2, 4], [1, 4, 2]], 2, 3);
        assert_eq!(walk.runs().len(), 2);
        assert!(walk.from_batch_order().is_none());
    }

    #[test]
    fn a_grid_of_the_tables_size_reads_the_table_itself() {
        let taps = walk(&[[1, 4, 4]], 2, 4).position_taps();
        let patches = 16;
        // The fourth patch stands at (1, 1), entry 5; its own tap is the one of row 1, column 1.
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

    #[test]
    fn angles_are_the_rows_then_the_columns() {
        let [cos, sin] = walk(&[[1, 2, 4]], 2, 3).rotary(8, 10_000.0);
        // The seventh patch stands at (1, 2); head_dim 8 has the frequencies 1 and 1/100.
        let angles = [1.0_f32, 0.01, 2.0, 0.02];
        assert_eq!(cos[6 * 4..7 * 4], angles.map(f32::cos));
        assert_eq!(sin[6 * 4..7 * 4], angles.map(f32::sin));
    }

    #[test]
    #[should_panic(expected = "grid 1×3×4 must be whole blocks of 2×2 patches")]
    fn a_grid_of_broken_blocks_is_refused() {
        let _ = walk(&[[1, 3, 4]], 2, 3);
    }
}
