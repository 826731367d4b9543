use serde::{Deserialize, Serialize};

/// The patch grid of one image or clip: `t` temporal patches of `h` rows and `w` columns of patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[usize; 3]", into = "[usize; 3]")]
pub struct GridThw {
    /// Temporal patches; 1 for a still.
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
    fn json_is_an_array_in_thw_order() {
        let json = serde_json::to_string(&GridThw::new(1, 4, 6)).unwrap();
        assert_eq!(json, "[1,4,6]");
        assert_eq!(
            serde_json::from_str::<GridThw>(&json).unwrap(),
            GridThw::new(1, 4, 6)
        );
    }
}
