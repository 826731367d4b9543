use glm4v_config::GridThw;
use ndarray::{Array2, ArrayView2, Axis, s};

use crate::PreprocessError;

/// Patch rows of one or more stills or clips, ready for the tower.
#[derive(Clone, Debug, PartialEq)]
pub struct Patches {
    pixel_values: Array2<f32>,
    grids: Vec<GridThw>,
}

impl Patches {
    /// Patches of `pixel_values`, [patches, channels · temporal_patch_size · patch_size²], which belong to `grids` in
    /// their order, each in merge-block order.
    ///
    /// # Errors
    /// [`PreprocessError::Rows`] where the rows are not as many as the grids have patches.
    pub fn new(pixel_values: Array2<f32>, grids: Vec<GridThw>) -> Result<Self, PreprocessError> {
        let expected = checked_patches(&grids);
        if expected != Some(pixel_values.nrows()) {
            let expected =
                expected.map_or("more than fit in memory".into(), |rows| rows.to_string());
            return Err(rows_error(&expected, pixel_values.ncols(), &pixel_values));
        }
        let pixel_values = if pixel_values.is_standard_layout() {
            pixel_values
        } else {
            pixel_values.as_standard_layout().into_owned()
        };
        Ok(Self {
            pixel_values,
            grids,
        })
    }

    /// Joins batches in their order.
    ///
    /// # Errors
    /// [`PreprocessError::Rows`] where their rows differ in width.
    pub fn concat(batches: &[Self]) -> Result<Self, PreprocessError> {
        let width = batches
            .first()
            .map_or(0, |batch| batch.pixel_values.ncols());
        if let Some(odd) = batches
            .iter()
            .find(|batch| batch.pixel_values.ncols() != width)
        {
            return Err(rows_error("any", width, &odd.pixel_values));
        }
        let rows = batches.iter().map(Self::num_patches).sum();
        let mut values = Vec::with_capacity(rows * width);
        for batch in batches {
            values.extend(batch.pixel_values.iter());
        }
        let pixel_values = Array2::from_shape_vec((rows, width), values);
        Ok(Self {
            pixel_values: pixel_values.expect("rows of one width fill the array"),
            grids: batches
                .iter()
                .flat_map(|batch| &batch.grids)
                .copied()
                .collect(),
        })
    }

    /// The rows, [patches, channels · temporal_patch_size · patch_size²], contiguous.
    #[must_use]
    pub fn pixel_values(&self) -> &Array2<f32> {
        &self.pixel_values
    }

    /// The grid of each still or clip.
    #[must_use]
    pub fn grids(&self) -> &[GridThw] {
        &self.grids
    }

    /// The rows and the grids, to be kept apart.
    #[must_use]
    pub fn into_parts(self) -> (Array2<f32>, Vec<GridThw>) {
        (self.pixel_values, self.grids)
    }

    /// The grid and the rows of each still or clip.
    pub fn iter(&self) -> impl Iterator<Item = (GridThw, ArrayView2<'_, f32>)> {
        self.grids.iter().scan(0, |start, &grid| {
            let first = *start;
            *start += grid.num_patches();
            Some((grid, self.pixel_values.slice(s![first..*start, ..])))
        })
    }

    /// Rows of all grids together.
    #[must_use]
    pub fn num_patches(&self) -> usize {
        self.pixel_values.len_of(Axis(0))
    }

    /// Tokens that the tower makes of all grids together.
    #[must_use]
    pub fn num_tokens(&self, spatial_merge_size: usize) -> usize {
        let tokens = |grid: &GridThw| grid.num_tokens(spatial_merge_size);
        self.grids.iter().map(tokens).sum()
    }
}

/// Patches of all grids, unless there are more than can be counted.
pub(crate) fn checked_patches(grids: &[GridThw]) -> Option<usize> {
    grids.iter().try_fold(0_usize, |rows, grid| {
        let patches = grid.t.checked_mul(grid.h)?.checked_mul(grid.w)?;
        rows.checked_add(patches)
    })
}

fn rows_error(rows: &str, width: usize, found: &Array2<f32>) -> PreprocessError {
    PreprocessError::Rows {
        expected: format!("[{rows}, {width}]"),
        found: format!("{:?}", found.shape()),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    const PAIR: GridThw = GridThw::new(1, 1, 2);
    const ONE: GridThw = GridThw::new(1, 1, 1);

    #[test]
    fn rows_are_dealt_to_the_grids_in_order() {
        let patches = Patches::new(array![[1.0], [2.0], [3.0]], vec![PAIR, ONE]).unwrap();
        let items: Vec<_> = patches.iter().collect();
        assert_eq!(items[0], (PAIR, array![[1.0], [2.0]].view()));
        assert_eq!(items[1], (ONE, array![[3.0]].view()));
        assert_eq!((patches.num_patches(), patches.num_tokens(1)), (3, 3));
    }

    #[test]
    fn rows_must_be_as_many_as_patches() {
        let error = Patches::new(Array2::zeros((3, 5)), vec![PAIR]).unwrap_err();
        assert!(
            error.to_string().ends_with("[2, 5], found [3, 5]"),
            "{error}"
        );
        let endless = GridThw::new(usize::MAX, 2, 1);
        assert!(Patches::new(Array2::zeros((3, 5)), vec![endless]).is_err());
    }

    #[test]
    fn rows_are_contiguous_whatever_comes_in() {
        let transposed = array![[1.0, 2.0], [3.0, 4.0]].reversed_axes();
        let patches = Patches::new(transposed, vec![PAIR]).unwrap();
        assert_eq!(
            patches.pixel_values().as_slice().unwrap(),
            [1.0, 3.0, 2.0, 4.0]
        );
    }

    #[test]
    fn batches_are_joined_in_order() {
        let first = Patches::new(array![[1.0], [2.0]], vec![PAIR]).unwrap();
        let second = Patches::new(array![[3.0]], vec![ONE]).unwrap();
        let joined = Patches::concat(&[first.clone(), second]).unwrap();
        assert_eq!(joined.pixel_values(), array![[1.0], [2.0], [3.0]]);
        assert_eq!(joined.grids(), [PAIR, ONE]);

        let wide = Patches::new(Array2::zeros((1, 2)), vec![ONE]).unwrap();
        let error = Patches::concat(&[first, wide]).unwrap_err().to_string();
        assert!(error.ends_with("[any, 1], found [1, 2]"), "{error}");
    }
}
