use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::{join, product};

/// Weight rows are padded to a multiple of this. Other widths need a separate kernel that checks every step and takes a second
/// to compile in a browser. Only the patch projection has such a width.
pub(crate) const STEP: usize = 32;

/// A linear map on a burn device.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out_features, in_features]`, split by rows; each row ends with zeros up to a multiple of 32
    pub weight: Vec<Param<Tensor<2>>>,
    /// `[out_features]`
    pub bias: Option<Param<Tensor<1>>>,
    in_features: usize,
}

impl Linear {
    /// The map x·weightᵀ + bias. The weight may be split by rows.
    ///
    /// # Shapes
    /// - row_splits: `[rows, in_features]` each
    /// - bias: `[out_features]`
    ///
    /// # Panics
    /// If there is no split.
    #[must_use]
    pub fn new(row_splits: Vec<Tensor<2>>, bias: Option<Tensor<1>>) -> Self {
        assert!(!row_splits.is_empty(), "a weight has at least one split");
        Self {
            in_features: row_splits[0].dims()[1],
            weight: row_splits
                .into_iter()
                .map(|split| Param::from_tensor(padded(split)))
                .collect(),
            bias: bias.map(Param::from_tensor),
        }
    }

    /// x·weightᵀ + bias.
    ///
    /// # Shapes
    /// - x: `[rows, in_features]`
    /// - output: `[rows, out_features]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [mapped] = Self::forward_each([self], x);
        mapped
    }

    /// Several maps of the same rows.
    pub(crate) fn forward_each<const N: usize>(maps: [&Self; N], x: Tensor<2>) -> [Tensor<2>; N] {
        // With four dimensions, as attention has, both use the same kernels.
        let x: Tensor<4> = padded(x).unsqueeze();
        let splits = maps.iter().flat_map(|map| &map.weight);
        let weights = splits.map(|split| split.val().unsqueeze().transpose());
        let mut products = product::matmul_each(x, weights.collect())
            .into_iter()
            .map(|product| product.squeeze_dims(&[0, 1]));
        maps.map(|map| {
            let product = join(products.by_ref().take(map.weight.len()).collect(), 1);
            match &map.bias {
                Some(bias) => product + bias.val().unsqueeze(),
                None => product,
            }
        })
    }

    /// Values of an input row.
    #[must_use]
    pub fn in_features(&self) -> usize {
        self.in_features
    }
}

/// Rows with zeros appended up to a multiple of [`STEP`]. Zeros do not change a product.
fn padded(rows: Tensor<2>) -> Tensor<2> {
    let [_, width] = rows.dims();
    match width.next_multiple_of(STEP) - width {
        0 => rows,
        missing => rows.pad((0, missing, 0, 0), 0.0),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn neither_padding_nor_splits_change_a_product() {
        let device = Device::flex();
        let random = |shape| Tensor::<2>::random(shape, Distribution::Default, &device);
        let (x, splits) = (random([3, 37]), [random([2, 37]), random([5, 37])]);
        let bias = random([1, 7]);
        let linear = Linear::new(splits.to_vec(), Some(bias.clone().flatten(0, 1)));
        assert_eq!(linear.in_features(), 37);
        let whole = Tensor::cat(splits.to_vec(), 0).transpose();
        let difference = linear.forward(x.clone()) - (x.matmul(whole) + bias);
        assert_eq!(difference.dims(), [3, 7]);
        for difference in difference.into_data().iter::<f32>() {
            assert!(difference.abs() < 1e-5, "{difference}");
        }
    }
}
