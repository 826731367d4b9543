use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The patch grid of one image or video: `t` temporal patches of `h` rows and `w` columns of patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[usize; 3]", into = "[usize; 3]")]
pub struct GridThw {
    /// Temporal patches. An image has 1.
    pub t: usize,
    /// Rows of patches.
    pub h: usize,
    /// Columns of patches.
    pub w: usize,
}

impl GridThw {
    /// A grid of `t` × `h` × `w` patches.
    #[must_use]
    pub const fn new(t: usize, h: usize, w: usize) -> Self {
        Self { t, h, w }
    }

    /// Patches before the merge: t·h·w.
    #[must_use]
    pub const fn num_patches(self) -> usize {
        self.t * self.h * self.w
    }

    /// Tokens after the merge: t·h·w / `spatial_merge_size`².
    #[must_use]
    pub const fn num_tokens(self, spatial_merge_size: usize) -> usize {
        self.num_patches() / (spatial_merge_size * spatial_merge_size)
    }

    /// The row of the patch at (t, y, x) in merge-block order.
    ///
    /// In this order, each block of `spatial_merge_size`² patches is contiguous. Blocks follow each other row by row, and
    /// so do the patches of a block.
    #[must_use]
    pub const fn patch_row(
        self,
        (t, y, x): (usize, usize, usize),
        spatial_merge_size: usize,
    ) -> usize {
        let merge = spatial_merge_size;
        let block = (y / merge) * (self.w / merge) + x / merge;
        let inner = (y % merge) * merge + x % merge;
        t * self.h * self.w + block * merge * merge + inner
    }

    /// The pixels that token number `token` covers, in an image of `height` × `width` pixels before its resize.
    ///
    /// Returns `None` if the grid has no such token.
    #[must_use]
    pub fn token_box(
        self,
        token: usize,
        spatial_merge_size: usize,
        (height, width): (usize, usize),
    ) -> Option<TokenBox> {
        if token >= self.num_tokens(spatial_merge_size) {
            return None;
        }
        let (rows, columns) = (self.h / spatial_merge_size, self.w / spatial_merge_size);
        let span = |index: usize, count: usize, pixels: usize| {
            let edge = |index: usize| index as f64 * pixels as f64 / count as f64;
            edge(index)..edge(index + 1)
        };
        Some(TokenBox {
            t: token / (rows * columns),
            y: span(token / columns % rows, rows, height),
            x: span(token % columns, columns, width),
        })
    }
}

/// The pixels of the original image or frame that one token covers.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenBox {
    /// The temporal patch. It is 0 for an image.
    pub t: usize,
    /// Rows of pixels.
    pub y: Range<f64>,
    /// Columns of pixels.
    pub x: Range<f64>,
}

impl From<[usize; 3]> for GridThw {
    fn from([t, h, w]: [usize; 3]) -> Self {
        Self { t, h, w }
    }
}

impl From<GridThw> for [usize; 3] {
    fn from(grid: GridThw) -> Self {
        [grid.t, grid.h, grid.w]
    }
}

impl std::fmt::Display for GridThw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}×{}", self.t, self.h, self.w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_products() {
        let grid = GridThw::new(2, 6, 9);
        assert_eq!(grid.num_patches(), 108);
        assert_eq!(grid.num_tokens(3), 12);
    }

    #[test]
    fn patches_lie_in_merge_block_order() {
        let grid = GridThw::new(2, 4, 6);
        assert_eq!(grid.patch_row((0, 0, 1), 2), 1);
        assert_eq!(grid.patch_row((0, 1, 0), 2), 2);
        assert_eq!(grid.patch_row((0, 0, 2), 2), 4);
        assert_eq!(grid.patch_row((0, 2, 0), 2), 12);
        assert_eq!(grid.patch_row((1, 3, 5), 2), 47);
    }

    #[test]
    fn token_boxes_tile_the_image() {
        let grid = GridThw::new(2, 4, 6);
        let place = |token| grid.token_box(token, 2, (50, 90)).unwrap();
        let found = place(4);
        assert_eq!((found.t, found.y, found.x), (0, 25.0..50.0, 30.0..60.0));
        assert_eq!(place(11).t, 1);
        assert_eq!(place(11).x, 60.0..90.0);
        assert_eq!(grid.token_box(12, 2, (50, 90)), None);
    }

    #[test]
    fn json_is_an_array_in_thw_order() {
        let json = serde_json::to_string(&GridThw::new(1, 4, 6)).unwrap();
        assert_eq!(json, "[1,4,6]");
        assert_eq!(
            serde_json::from_str::<GridThw>(&json).unwrap(),
            GridThw::new(1, 4, 6)
        );
    }
}
