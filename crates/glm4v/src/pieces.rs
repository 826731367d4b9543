//! A batch cut into pieces that a device takes one after another, and into shares for several devices.

use std::ops::Range;

use glm4v_config::GridThw;

/// Consecutive frames of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    /// Rows of the batch.
    pub(crate) rows: Range<usize>,
    /// Its frames, those of one clip as a clip: attention never leaves a frame, so that a part of a clip is as good as the
    /// whole.
    pub(crate) frames: Vec<GridThw>,
    /// Rows of items of one temporal patch, which are taken for stills; not those of clips that are cut so small.
    pub(crate) stills: usize,
}

/// Pieces of at most `max_patches` patches; a larger frame is a piece of its own.
pub(crate) fn pieces(grids: &[GridThw], max_patches: usize) -> impl Iterator<Item = Piece> {
    cut(grids, max_patches as u64, |frame| {
        frame.num_patches() as u64
    })
}

/// A share for each of `count` devices, or for fewer where there are not as many frames: such that the largest share costs
/// as little as consecutive frames allow.
pub(crate) fn shares(grids: &[GridThw], count: usize, cost: impl Fn(GridThw) -> u64) -> Vec<Piece> {
    let frame = |grid: &GridThw| cost(GridThw { t: 1, ..*grid });
    // Between the costliest frame and all of them lies the least that lets `count` shares hold everything.
    let mut least = grids.iter().map(frame).max().unwrap_or(0);
    let mut enough = grids.iter().map(|grid| grid.t as u64 * frame(grid)).sum();
    while least < enough {
        let middle = least + (enough - least) / 2;
        match cut(grids, middle, &cost).nth(count) {
            None => enough = middle,
            Some(_) => least = middle + 1,
        }
    }
    cut(grids, enough, cost).collect()
}

/// Pieces whose frames cost at most `most` together; a frame that costs more is a piece of its own. They are made one after
/// another: a clip may have millions of frames.
fn cut(grids: &[GridThw], most: u64, cost: impl Fn(GridThw) -> u64) -> impl Iterator<Item = Piece> {
    let mut grids = grids.iter().copied().filter(|grid| grid.t > 0);
    // What is left of the item that the last piece ended in, and whether it is all of a still.
    let with_kind = |grid: GridThw| (grid, grid.t == 1);
    let mut rest = grids.next().map(with_kind);
    let mut row = 0;
    std::iter::from_fn(move || {
        let (start, mut room, mut frames, mut stills) = (row, most, Vec::new(), 0);
        while let Some((item, is_still)) = rest {
            let own = cost(GridThw { t: 1, ..item });
            let fitting = room.checked_div(own).unwrap_or(u64::MAX);
            let t = match fitting.min(item.t as u64) as usize {
                0 if frames.is_empty() => 1,
                0 => break,
                t => t,
            };
            room = room.saturating_sub(t as u64 * own);
            let own = GridThw { t, ..item };
            row += own.num_patches();
            stills += if is_still { own.num_patches() } else { 0 };
            frames.push(own);
            let t = item.t - t;
            rest = match t {
                0 => grids.next().map(with_kind),
                _ => Some((GridThw { t, ..item }, is_still)),
            };
        }
        let rows = start..row;
        (!frames.is_empty()).then_some(Piece {
            rows,
            frames,
            stills,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(grids: &[[usize; 3]], max_patches: usize) -> Vec<Range<usize>> {
        let grids: Vec<GridThw> = grids.iter().copied().map(GridThw::from).collect();
        let pieces = pieces(&grids, max_patches);
        pieces.map(|piece| piece.rows).collect()
    }

    #[test]
    fn a_clip_is_cut_between_frames() {
        assert_eq!(rows(&[[5, 2, 2]], 9), [0..8, 8..16, 16..20]);
        let grids = [GridThw::new(3, 2, 4)];
        let mut cut = pieces(&grids, 16);
        assert_eq!(cut.next().unwrap().frames, [GridThw::new(2, 2, 4)]);
        assert_eq!(cut.next().unwrap().frames, [GridThw::new(1, 2, 4)]);
        assert_eq!(cut.next(), None);
    }

    #[test]
    fn pieces_are_filled_across_items_in_order() {
        assert_eq!(
            rows(&[[1, 2, 2], [2, 2, 2], [1, 2, 6]], 10),
            [0..8, 8..12, 12..24]
        );
        let grids = [GridThw::new(1, 2, 2), GridThw::new(2, 2, 2)];
        let cut: Vec<Piece> = pieces(&grids, 100).collect();
        assert_eq!(
            cut,
            [Piece {
                rows: 0..12,
                frames: grids.into(),
                stills: 4,
            }]
        );
    }

    #[test]
    fn stills_are_counted() {
        let grids = [[1, 2, 2], [3, 2, 2], [1, 2, 4]].map(GridThw::from);
        let stills = |max_patches| {
            let pieces = pieces(&grids, max_patches);
            pieces.map(|piece| piece.stills).collect::<Vec<_>>()
        };
        assert_eq!(stills(100), [12]);
        assert_eq!(stills(8), [4, 0, 8]);
        // The clip's last frame is no still.
        assert_eq!(stills(4), [4, 0, 0, 0, 8]);
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
        let grids = [[3, 2, 4], [1, 6, 2], [7, 2, 2], [1, 2, 2], [2, 4, 6]].map(GridThw::from);
        let one_by_one = |grids: &[GridThw]| -> Vec<(usize, usize)> {
            let frames = grids.iter();
            frames
                .flat_map(|grid| std::iter::repeat_n((grid.h, grid.w), grid.t))
                .collect()
        };
        for max_patches in 0..150 {
            let mut frames = Vec::new();
            let mut row = 0;
            for piece in pieces(&grids, max_patches) {
                let patches: usize = piece.frames.iter().map(|grid| grid.num_patches()).sum();
                assert_eq!(piece.rows, row..row + patches);
                let own = one_by_one(&piece.frames);
                assert!(patches <= max_patches || own.len() == 1);
                row += patches;
                frames.extend(own);
            }
            assert_eq!(frames, one_by_one(&grids));
        }
    }

    #[test]
    fn no_items_are_no_pieces() {
        assert!(rows(&[], 10).is_empty());
        let grids = [[0, 2, 2], [1, 2, 2]].map(GridThw::from);
        let cut: Vec<Piece> = pieces(&grids, 10).collect();
        assert_eq!(cut.len(), 1);
        assert_eq!(cut[0].rows, 0..4);
    }

    /// A frame costs its patches, and each more the more there are.
    fn shared(grids: &[[usize; 3]], count: usize) -> Vec<Range<usize>> {
        let grids: Vec<GridThw> = grids.iter().copied().map(GridThw::from).collect();
        let cost = |frame: GridThw| (frame.num_patches() * frame.num_patches()) as u64;
        let shares = shares(&grids, count, cost).into_iter();
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
