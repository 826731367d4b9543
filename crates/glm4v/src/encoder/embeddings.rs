use std::fmt;

use burn::tensor::{DType, Element, Tensor, bf16, f16};
use glm4v_config::GridThw;
use rayon::prelude::*;

use crate::Error;

/// Values that a thread widens at once, at least.
const VALUES_AT_ONCE: usize = 1 << 14;

/// The embeddings of a batch, or of one image or video of it.
///
/// To read the values, call [`Embeddings::into_values`]. On a GPU burn reads lazily: the result of `tensor.into_data()` must be
/// used before anything else is computed.
///
/// ```
/// # use glm4v::{LoadOptions, Preset, VisionEncoder, image::DynamicImage};
/// # let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
/// let images = [DynamicImage::new_rgb8(56, 84), DynamicImage::new_rgb8(112, 56)];
/// for item in encoder.encode_images(&images)?.items() {
///     let [t, h, w, width] = item.map().dims(); // tokens at their place in the image
///     assert_eq!((t * h * w, width), (item.num_tokens(), 256));
/// }
/// # Ok::<(), glm4v::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// One row a token, `[tokens, out_hidden_size]` (transformers' `pooler_output`). Items follow one another; an item
    /// goes frame by frame, and row by row of its merged grid.
    pub tensor: Tensor<2>,
    /// The grid of each item, in patches.
    pub grids: Vec<GridThw>,
    pub(crate) spatial_merge_size: usize,
}

impl Embeddings {
    /// The embeddings of each image or video, in the order of the batch.
    pub fn items(&self) -> impl Iterator<Item = Self> + '_ {
        let mut first = 0;
        self.grids.iter().map(move |&grid| {
            let tokens = grid.num_tokens(self.spatial_merge_size);
            let tensor = self.tensor.clone().narrow(0, first, tokens);
            first += tokens;
            Self {
                tensor,
                grids: vec![grid],
                spatial_merge_size: self.spatial_merge_size,
            }
        })
    }

    /// The number of tokens, and of placeholders in the prompt.
    #[must_use]
    pub fn num_tokens(&self) -> usize {
        let tokens = |grid: &GridThw| grid.num_tokens(self.spatial_merge_size);
        self.grids.iter().map(tokens).sum()
    }

    /// The embeddings of one image or video at their place: `[t, h / merge, w / merge, out_hidden_size]`.
    ///
    /// # Panics
    /// If these are the embeddings of several items.
    #[must_use]
    pub fn map(&self) -> Tensor<4> {
        let [grid] = self.grids[..] else {
            panic!("a map is of one item, not of {}", self.grids.len());
        };
        let [_, width] = self.tensor.dims();
        let merge = self.spatial_merge_size;
        self.tensor
            .clone()
            .reshape([grid.t, grid.h / merge, grid.w / merge, width])
    }

    /// The values, row by row. This waits for the device.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device failed.
    pub fn into_values(self) -> Result<Vec<f32>, Error> {
        values(self.tensor)
    }

    /// [`Embeddings::into_values`] for a browser, where nothing may block.
    ///
    /// # Errors
    /// As [`Embeddings::into_values`].
    pub async fn into_values_async(self) -> Result<Vec<f32>, Error> {
        let data = self.tensor.into_data_async().await;
        Ok(data.map_err(failed)?.iter().collect())
    }
}

/// The values of a tensor, row by row. This waits for the device.
///
/// # Errors
/// [`Error::Execution`] if the device failed.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, Error> {
    // burn converts one value after another, which can take longer than the tower on a GPU.
    match tensor.dtype() {
        DType::BF16 => widened(tensor, bf16::to_f32),
        DType::F16 => widened(tensor, f16::to_f32),
        _ => tensor.try_into_vec_as::<f32>().map_err(failed),
    }
}

fn widened<const D: usize, T: Element + Sync>(
    tensor: Tensor<D>,
    widen: impl Fn(T) -> f32 + Sync,
) -> Result<Vec<f32>, Error> {
    let data = tensor.try_into_data().map_err(failed)?;
    let values = data.as_slice::<T>().map_err(failed)?.par_iter();
    let values = values.with_min_len(VALUES_AT_ONCE);
    Ok(values.map(|&value| widen(value)).collect())
}

fn failed(error: impl fmt::Display) -> Error {
    Error::Execution(error.to_string())
}
