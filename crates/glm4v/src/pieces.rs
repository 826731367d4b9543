//! A batch cut into pieces that a device takes one after another, and into shares for several devices.

use std::ops::Range;

use glm4v_config::GridThw;
use glm4v_preprocess::Patches;

/// Frames of one item that stand together: all of them, or those of one piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) grid: GridThw,
    /// Whether its rows hold one frame in place of equal ones.
    pub(crate) is_still: bool,
}

/// Consecutive frames of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    /// Rows of the batch.
    pub(crate) rows: Range<usize>,
    /// Its frames, those of one clip as a clip: attention never leaves a frame, so that a part of a clip is as good as the
    /// whole.
    pub(crate) parts: Vec<Part>,
}

impl Part {
    /// Items of which no more is known than their grids: those of one temporal patch are taken for stills.
    pub(crate) fn of_grids(grids: &[GridThw]) -> Vec<Self> {
        let part = |&grid: &GridThw| Self {
            grid,
            is_still: grid.t == 1,
        };
        grids.iter().map(part).collect()
    }

    /// The items of a batch.
    pub(crate) fn of_patches(patches: &Patches) -> Vec<Self> {
        let items = patches.iter().map(|item| Self {
            grid: item.grid,
            is_still: item.rows.ncols() < patches.row_len(),
        });
        items.collect()
    }
}

impl Piece {
    /// The grids of its frames.
    pub(crate) fn grids(&self) -> Vec<GridThw> {
        self.parts.iter().map(|part| part.grid).collect()
    }

    /// Its rows that hold one frame.
    pub(crate) fn stills(&self) -> usize {
        let stills = self.parts.iter().filter(|part| part.is_still);
        stills.map(|part| part.grid.num_patches()).sum()
    }
}

/// Pieces of at most `max_patches` patches; a larger frame is a piece of its own.
pub(crate) fn pieces(parts: &[Part], max_patches: usize) -> impl Iterator<Item = Piece> {
    cut(parts, max_patches as u64, |frame| {
        frame.num_patches() as u64
    })
}

/// A share for each of `count` devices, or for fewer where there are not as many frames: such that the largest share costs
/// as little as consecutive frames allow.
pub(crate) fn shares(parts: &[Part], count: usize, cost: impl Fn(GridThw) -> u64) -> Vec<Piece> {
    let frame = |part: &Part| cost(GridThw { t: 1, ..part.grid });
    // Between the costliest frame and all of them lies the least that lets `count` shares hold everything.
    let mut least = parts.iter().map(frame).max().unwrap_or(0);
    let mut enough = parts
        .iter()
        .map(|part| part.grid.t as u64 * frame(part))
        .sum();
    while least < enough {
        let middle = least + (enough - least) / 2;
        match cut(parts, middle, &cost).nth(count) {
            None => enough = middle,
            Some(_) => least = middle + 1,
        }
    }
    cut(parts, enough, cost).collect()
}

/// Pieces whose frames cost at most `most` together; a frame that costs more is a piece of its own. They are made one after
/// another: a clip may have millions of frames.
fn cut(parts: &[Part], most: u64, cost: impl Fn(GridThw) -> u64) -> impl Iterator<Item = Piece> {
    let mut items = parts.iter().copied().filter(|part| part.grid.t > 0);
    // What is left of the item that the last piece ended in.
    let mut rest = items.next();
    let mut row = 0;
    std::iter::from_fn(move || {
        let (start, mut room, mut parts) = (row, most, Vec::new());
        while let Some(Part { grid, is_still }) = rest {
            let frames = |t| Part {
                grid: GridThw { t, ..grid },
                is_still,
            };
            let own = cost(GridThw { t: 1, ..grid });
            let fitting = room.checked_div(own).unwrap_or(u64::MAX);
            let t = match fitting.min(grid.t as u64) as usize {
                0 if parts.is_empty() => 1,
                0 => break,
                t => t,
            };
            room = room.saturating_sub(t as u64 * own);
            row += t * grid.h * grid.w;
            parts.push(frames(t));
            rest = match grid.t - t {
                0 => items.next(),
                left => Some(frames(left)),
            };
        }
        let rows = start..row;
        (!parts.is_empty()).then_some(Piece { rows, parts })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(grids: &[[usize; 3]]) -> Vec<Part> {
        let grids: Vec<GridThw> = grids.iter().copied().map(GridThw::from).collect();
        Part::of_grids(&grids)
    }

    fn rows(grids: &[[usize; 3]], max_patches: usize) -> Vec<Range<usize>> {
        let parts = parts(grids);
        let pieces = pieces(&parts, max_patches);
        pieces.map(|piece| piece.rows).collect()
    }

    #[test]
    fn a_clip_is_cut_between_frames() {
        assert_eq!(rows(&[[5, 2, 2]], 9), [0..8, 8..16, 16..20]);
        let parts = parts(&[[3, 2, 4]]);
        let mut cut = pieces(&parts, 16).map(|piece| piece.grids());
        assert_eq!(cut.next().unwrap(), [GridThw::new(2, 2, 4)]);
        assert_eq!(cut.next().unwrap(), [GridThw::new(1, 2, 4)]);
        assert_eq!(cut.next(), None);
    }

    #[test]
    fn pieces_are_filled_across_items_in_order() {
        assert_eq!(
            rows(&[[1, 2, 2], [2, 2, 2], [1, 2, 6]], 10),
            [0..8, 8..12, 12..24]
        );
        let parts = parts(&[[1, 2, 2], [2, 2, 2]]);
        let cut: Vec<Piece> = pieces(&parts, 100).collect();
        assert_eq!(cut, [Piece { rows: 0..12, parts }]);
    }

    #[test]
    fn stills_are_counted() {
        let items = parts(&[[1, 2, 2], [3, 2, 2], [1, 2, 4]]);
        let stills = |max_patches| {
            let pieces = pieces(&items, max_patches);
            pieces.map(|piece| piece.stills()).collect::<Vec<_>>()
        };
        assert_eq!(stills(100), [12]);
        assert_eq!(stills(8), [4, 0, 8]);
        // The clip's last frame is no still.
        assert_eq!(stills(4), [4, 0, 0, 0, 8]);
        let shares = shares(&items, 4, |frame| frame.num_patches() as u64);
        let of_shares = shares.iter().flat_map(|share| pieces(&share.parts, 100));
        let of_shares = of_shares.map(|piece| piece.stills());
        assert_eq!(of_shares.collect::<Vec<_>>(), [4, 0, 8]);
    }

    #[test]
    fn a_larger_frame_is_a_piece_of_its_own() {
        assert_eq!(
            rows(&[[1, 1, 99], [1, 1, 1], [1, 1, 99]], 10),
            [0..99, 99..100, 100..199]
        );
        assert_eq!(rows(&[[2, 1, 99]], 0), [0..99, 99..198]);
    }

    #[test]
    fn every_cut_gives_every_frame_once() {
        let items = parts(&[[3, 2, 4], [1, 6, 2], [7, 2, 2], [1, 2, 2], [2, 4, 6]]);
        let one_by_one = |parts: &[Part]| -> Vec<(usize, usize)> {
            let grids = parts.iter().map(|part| part.grid);
            let frames = grids.flat_map(|grid| std::iter::repeat_n((grid.h, grid.w), grid.t));
            frames.collect()
        };
        for max_patches in 0..150 {
            let mut frames = Vec::new();
            let mut row = 0;
            for piece in pieces(&items, max_patches) {
                let grids = piece.parts.iter().map(|part| part.grid);
                let patches: usize = grids.map(|grid| grid.num_patches()).sum();
                assert_eq!(piece.rows, row..row + patches);
                let own = one_by_one(&piece.parts);
                assert!(patches <= max_patches || own.len() == 1);
                row += patches;
                frames.extend(own);
            }
            assert_eq!(frames, one_by_one(&items));
        }
    }

    #[test]
    fn no_items_are_no_pieces() {
        assert!(rows(&[], 10).is_empty());
        let cut: Vec<Piece> = pieces(&parts(&[[0, 2, 2], [1, 2, 2]]), 10).collect();
        assert_eq!(cut.len(), 1);
        assert_eq!(cut[0].rows, 0..4);
    }

    /// A frame costs its patches, and each more the more there are.
    fn shared(grids: &[[usize; 3]], count: usize) -> Vec<Range<usize>> {
        let cost = |frame: GridThw| (frame.num_patches() * frame.num_patches()) as u64;
        let shares = shares(&parts(grids), count, cost).into_iter();
        shares.map(|share| share.rows).collect()
    }

    #[test]
    fn shares_cost_alike_and_do_not_count_alike() {
        // 9 + 9 | 81, whether there are two devices or more than can be used.
        let grids = [[2, 1, 3], [1, 1, 9]];
        assert_eq!(shared(&grids, 1), std::slice::from_ref(&(0..15)));
        assert_eq!(shared(&grids, 2), [0..6, 6..15]);
        assert_eq!(shared(&grids, 8), [0..6, 6..15]);
        // 81 | 81 | 1 + 1, though halves and thirds of the sum fall elsewhere.
        let grids = [[1, 1, 9], [1, 1, 9], [2, 1, 1]];
        assert_eq!(shared(&grids, 3), [0..9, 9..18, 18..20]);
    }

    #[test]
    fn a_clip_is_shared_frame_by_frame_and_one_frame_is_not() {
        assert_eq!(shared(&[[5, 2, 2]], 2), [0..12, 12..20]);
        assert_eq!(shared(&[[1, 2, 2]], 4), std::slice::from_ref(&(0..4)));
    }
}
