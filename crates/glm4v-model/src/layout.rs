//! The order of a batch's patches inside the tower.

use std::collections::HashMap;

use glm4v_config::GridThw;

/// The segments of a batch in the tower's order, and the way back to the order of the batch.
///
/// A segment is one frame of one item: its patches attend to one another. The tower puts segments of equal length beside one
/// another, so that they share one batched attention. All other stages work row by row. The rows are therefore permuted once
/// before the first block, and the tokens once after the last.
#[derive(Clone, Debug)]
pub(crate) struct BatchLayout {
    spatial_merge_size: usize,
    /// Grids (h, w) of the segments, in the tower's order
    segments: Vec<(usize, usize)>,
    groups: Vec<SegmentGroup>,
    /// `None` if the tower's order is that of the batch
    pub(crate) permutation: Option<Permutation>,
}

/// Consecutive segments of equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentGroup {
    /// Number of segments
    pub(crate) segments: usize,
    /// Patches of each segment
    pub(crate) length: usize,
}

impl SegmentGroup {
    /// Patches of all segments.
    pub(crate) const fn num_patches(self) -> usize {
        self.segments * self.length
    }
}

/// The rows of another order: row `i` comes from the row that entry `i` names.
#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    /// Patches of the batch, in the tower's order
    pub(crate) patches_to_tower: Vec<i32>,
    /// Patches of the tower, in the order of the batch
    pub(crate) patches_to_batch: Vec<i32>,
    /// Tokens of the tower, in the order of the batch
    pub(crate) tokens_to_batch: Vec<i32>,
}

impl BatchLayout {
    /// The layout of a batch of `grids`.
    ///
    /// # Panics
    /// If a grid is empty or does not consist of whole merge blocks.
    pub(crate) fn new(grids: &[GridThw], spatial_merge_size: usize) -> Self {
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
        let batch = segments(grids);
        let order = by_length(&batch);
        let segments: Vec<_> = order.iter().map(|&index| batch[index]).collect();
        Self {
            spatial_merge_size,
            permutation: (!order.is_sorted())
                .then(|| Permutation::new(&batch, &order, merge * merge)),
            groups: groups(&segments),
            segments,
        }
    }

    /// Patches of all grids.
    pub(crate) fn num_patches(&self) -> usize {
        self.groups.iter().map(|group| group.num_patches()).sum()
    }

    /// The segments in the tower's order.
    pub(crate) fn groups(&self) -> &[SegmentGroup] {
        &self.groups
    }

    /// The length of every segment, in the tower's order.
    pub(crate) fn segment_lengths(&self) -> Vec<usize> {
        self.segments.iter().map(|(h, w)| h * w).collect()
    }

    /// The largest number of rows or columns of a grid.
    pub(crate) fn longest_side(&self) -> usize {
        let sides = self.segments.iter().map(|&(h, w)| h.max(w));
        sides.max().unwrap_or(0)
    }

    /// Calls `visit` with the position (y, x) of each patch and its segment's grid (h, w), in the tower's order. Within a
    /// segment that is merge-block order: block after block, and row by row within a block.
    pub(crate) fn for_each_patch(&self, mut visit: impl FnMut((usize, usize), (usize, usize))) {
        let merge = self.spatial_merge_size;
        for &(h, w) in &self.segments {
            for block_y in (0..h).step_by(merge) {
                for block_x in (0..w).step_by(merge) {
                    for index in 0..merge * merge {
                        visit((block_y + index / merge, block_x + index % merge), (h, w));
                    }
                }
            }
        }
    }
}

impl Permutation {
    /// Brings the segments of `batch` into `order`. A token has `merge_area` patches.
    fn new(batch: &[(usize, usize)], order: &[usize], merge_area: usize) -> Self {
        let mut starts = Vec::with_capacity(batch.len());
        let mut rows = 0;
        for (h, w) in batch {
            starts.push(rows);
            rows += h * w;
        }
        let to_tower = |unit: usize| {
            let range =
                move |start: usize, (h, w): (usize, usize)| start / unit..(start + h * w) / unit;
            order
                .iter()
                .flat_map(|&index| range(starts[index], batch[index]))
                .map(|row| row as i32)
                .collect::<Vec<_>>()
        };
        let patches_to_tower = to_tower(1);
        Self {
            patches_to_batch: inverse(&patches_to_tower),
            tokens_to_batch: inverse(&to_tower(merge_area)),
            patches_to_tower,
        }
    }
}

/// Grids (h, w) of the segments, in the order of the batch.
fn segments(grids: &[GridThw]) -> Vec<(usize, usize)> {
    let segments = grids.iter();
    segments
        .flat_map(|grid| std::iter::repeat_n((grid.h, grid.w), grid.t))
        .collect()
}

/// Indices of the segments, sorted by the first appearance of their length.
fn by_length(segments: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks = HashMap::new();
    let ranks: Vec<usize> = segments
        .iter()
        .map(|(h, w)| {
            let next = ranks.len();
            *ranks.entry(h * w).or_insert(next)
        })
        .collect();
    let mut indices: Vec<usize> = (0..segments.len()).collect();
    indices.sort_by_key(|&index| ranks[index]);
    indices
}

fn groups(segments: &[(usize, usize)]) -> Vec<SegmentGroup> {
    segments
        .chunk_by(|(h, w), (next_h, next_w)| h * w == next_h * next_w)
        .map(|group| SegmentGroup {
            segments: group.len(),
            length: group[0].0 * group[0].1,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(grids: &[[usize; 3]], merge: usize) -> BatchLayout {
        let grids: Vec<GridThw> = grids.iter().copied().map(GridThw::from).collect();
        BatchLayout::new(&grids, merge)
    }

    #[test]
    fn patches_are_visited_in_merge_block_order() {
        let mut visited = Vec::new();
        layout(&[[1, 2, 4]], 2).for_each_patch(|position, _| visited.push(position));
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
        // Lengths 4, 8, 4, 8 (another shape), 4, 4: two groups.
        let layout = layout(&[[1, 2, 2], [1, 2, 4], [1, 2, 2], [1, 4, 2], [2, 2, 2]], 2);
        let group = |segments, length| SegmentGroup { segments, length };
        assert_eq!(layout.groups(), [group(4, 4), group(2, 8)]);
        assert_eq!(layout.segment_lengths(), [4, 4, 4, 4, 8, 8]);
        let permutation = layout.permutation.unwrap();
        let (from, to) = (permutation.patches_to_tower, permutation.patches_to_batch);
        assert_eq!(from[..8], [0, 1, 2, 3, 12, 13, 14, 15]);
        assert!((0..32).all(|row| from[to[row] as usize] == row as i32));
        assert_eq!(permutation.tokens_to_batch, [0, 4, 5, 1, 6, 7, 2, 3]);
    }

    #[test]
    fn equal_segments_side_by_side_stay_where_they_are() {
        let layout = layout(&[[2, 2, 2], [1, 2, 4], [1, 4, 2]], 2);
        assert_eq!(layout.groups().len(), 2);
        assert!(layout.permutation.is_none());
    }

    #[test]
    #[should_panic(expected = "grid 1×3×4 must be whole blocks of 2×2 patches")]
    fn a_grid_of_broken_blocks_is_refused() {
        let _ = layout(&[[1, 3, 4]], 2);
    }
}
