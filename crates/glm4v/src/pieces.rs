//! A batch cut into pieces that a device takes one after another, and into shares for several devices.

use std::ops::Range;

use glm4v_config::GridThw;

/// Consecutive frames of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Piece {
    /// Rows of the batch.
    pub(crate) rows: Range<usize>,
    /// A grid for each frame: attention never leaves a frame, so a clip is as good as its frames one by one.
    pub(crate) frames: Vec<GridThw>,
}

/// Pieces of at most `max_patches` patches; a larger frame is a piece of its own.
pub(crate) fn pieces(grids: &[GridThw], max_patches: usize) -> Vec<Piece> {
    let frames = frames(grids);
    let patches = frames.iter().map(|frame| frame.num_patches() as u64);
    cut(&frames, &patches.collect::<Vec<_>>(), max_patches as u64)
}

/// A share for each of `count` devices, or for fewer where there are not as many frames: such that the largest share costs
/// as little as consecutive frames allow.
pub(crate) fn shares(grids: &[GridThw], count: usize, cost: impl Fn(GridThw) -> u64) -> Vec<Piece> {
    let frames = frames(grids);
    let costs: Vec<u64> = frames.iter().copied().map(cost).collect();
    // Between the costliest frame and all of them lies the least that lets `count` shares hold everything.
    let mut least = costs.iter().copied().max().unwrap_or(0);
    let mut enough = costs.iter().sum();
    while least < enough {
        let middle = least + (enough - least) / 2;
        match cut(&frames, &costs, middle).len() <= count {
            true => enough = middle,
            false => least = middle + 1,
        }
    }
    cut(&frames, &costs, enough)
}

fn frames(grids: &[GridThw]) -> Vec<GridThw> {
    let frames = grids
        .iter()
        .flat_map(|grid| std::iter::repeat_n(GridThw { t: 1, ..*grid }, grid.t));
    frames.collect()
}

/// Pieces of which none weighs more than `most`, but for a single frame that does.
fn cut(frames: &[GridThw], weights: &[u64], most: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut piece = Piece::default();
    let mut weight = 0;
    for (&frame, &own) in frames.iter().zip(weights) {
        if !piece.frames.is_empty() && weight + own > most {
            let next = Piece {
                rows: piece.rows.end..piece.rows.end,
                frames: Vec::new(),
            };
            pieces.push(std::mem::replace(&mut piece, next));
            weight = 0;
        }
        weight += own;
        piece.rows.end += frame.num_patches();
        piece.frames.push(frame);
    }
    pieces.push(piece);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(grids: &[[usize; 3]], max_patches: usize) -> Vec<Range<usize>> {
        let grids: Vec<GridThw> = grids.iter().copied().map(GridThw::from).collect();
        let pieces = pieces(&grids, max_patches).into_iter();
        pieces.map(|piece| piece.rows).collect()
    }

    #[test]
    fn a_clip_is_cut_between_frames() {
        assert_eq!(rows(&[[5, 2, 2]], 9), [0..8, 8..16, 16..20]);
        let cut = pieces(&[GridThw::new(3, 2, 4)], 16);
        assert_eq!(cut[0].frames, [GridThw::new(1, 2, 4); 2]);
    }

    #[test]
    fn pieces_are_filled_across_items_in_order() {
        assert_eq!(
            rows(&[[1, 2, 2], [2, 2, 2], [1, 2, 6]], 10),
            [0..8, 8..12, 12..24]
        );
    }

    #[test]
    fn a_larger_frame_is_a_piece_of_its_own() {
        assert_eq!(
            rows(&[[1, 1, 99], [1, 1, 1], [1, 1, 99]], 10),
            [0..99, 99..100, 100..199]
        );
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
