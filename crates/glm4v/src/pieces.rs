//! A batch cut into pieces that the device takes one after another.

use std::ops::Range;

use glm4v_config::GridThw;

/// Consecutive frames of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Piece {
    /// Rows of the batch.
    pub(crate) rows: Range<usize>,
    /// A grid for each frame: attention never leaves a frame, so a clip is as good as its frames one by one.
    pub(crate) frames: Vec<GridThw>,
    /// Rows of items of one temporal patch, which are taken for stills.
    pub(crate) stills: usize,
}

/// Pieces of at most `max_patches` patches; a larger frame is a piece of its own.
pub(crate) fn pieces(grids: &[GridThw], max_patches: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut piece = Piece::default();
    let frames = grids
        .iter()
        .flat_map(|grid| std::iter::repeat_n((GridThw { t: 1, ..*grid }, grid.t == 1), grid.t));
    for (frame, is_still) in frames {
        if !piece.frames.is_empty() && piece.rows.len() + frame.num_patches() > max_patches {
            let next = Piece {
                rows: piece.rows.end..piece.rows.end,
                ..Piece::default()
            };
            pieces.push(std::mem::replace(&mut piece, next));
        }
        piece.rows.end += frame.num_patches();
        piece.stills += if is_still { frame.num_patches() } else { 0 };
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
    fn stills_are_counted() {
        let grids = [[1, 2, 2], [3, 2, 2], [1, 2, 4]].map(GridThw::from);
        let stills = |max_patches| {
            let pieces = pieces(&grids, max_patches).into_iter();
            pieces.map(|piece| piece.stills).collect::<Vec<_>>()
        };
        assert_eq!(stills(100), [12]);
        assert_eq!(stills(8), [4, 0, 8]);
    }

    #[test]
    fn a_larger_frame_is_a_piece_of_its_own() {
        assert_eq!(
            rows(&[[1, 1, 99], [1, 1, 1], [1, 1, 99]], 10),
            [0..99, 99..100, 100..199]
        );
    }
}
