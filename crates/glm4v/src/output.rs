use burn::tensor::Tensor;
use glm4v_config::GridThw;

use crate::Error;

/// The embeddings of a batch, on the device.
///
/// To have the values on the host, call [`Embeddings::into_values`], or read a tensor's data
/// (`tensor.into_data().iter()`) before anything else is computed: on a GPU burn reads lazily, and the next operation
/// may reuse the buffer.
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// The rows of all items, one after another: `[tokens, out_hidden_size]` (transformers' `pooler_output`).
    pub embeddings: Tensor<2>,
    /// The grids of the items, in patches.
    pub grids: Vec<GridThw>,
    pub(crate) spatial_merge_size: usize,
}

/// The embeddings of one picture or clip.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its grid, in patches.
    pub grid: GridThw,
    /// `[tokens, out_hidden_size]`, frame by frame, and row by row of the merged grid.
    pub embeddings: Tensor<2>,
    spatial_merge_size: usize,
}

impl Embeddings {
    /// The items one after another, in the order of the batch.
    pub fn items(&self) -> impl Iterator<Item = Item> + '_ {
        let spatial_merge_size = self.spatial_merge_size;
        let mut first = 0;
        self.grids.iter().map(move |&grid| {
            let tokens = grid.num_tokens(spatial_merge_size);
            let embeddings = self.embeddings.clone().narrow(0, first, tokens);
            first += tokens;
            Item {
                grid,
                embeddings,
                spatial_merge_size,
            }
        })
    }

    /// The values of [`Embeddings::embeddings`], row by row; waits for the device.
    ///
    /// # Errors
    /// [`Error::Execution`] where the device failed on the way.
    pub fn into_values(self) -> Result<Vec<f32>, Error> {
        values(self.embeddings)
    }

    /// [`Embeddings::into_values`] where nothing may wait: in a browser.
    ///
    /// # Errors
    /// As [`Embeddings::into_values`].
    pub async fn into_values_async(self) -> Result<Vec<f32>, Error> {
        let data = self.embeddings.into_data_async().await;
        let data = data.map_err(|error| Error::Execution(error.to_string()))?;
        Ok(data.iter().collect())
    }

    /// Tokens of all items: as many placeholders stand for them in the prompt.
    #[must_use]
    pub fn num_tokens(&self) -> usize {
        self.grids
            .iter()
            .map(|grid| grid.num_tokens(self.spatial_merge_size))
            .sum()
    }
}

impl Item {
    /// Tokens of the item: as many placeholders stand for it in the prompt.
    #[must_use]
    pub fn num_tokens(&self) -> usize {
        self.grid.num_tokens(self.spatial_merge_size)
    }

    /// The embeddings where they belong in the picture: `[t, h / merge, w / merge, out_hidden_size]`.
    #[must_use]
    pub fn map(&self) -> Tensor<4> {
        let [_, width] = self.embeddings.dims();
        let merge = self.spatial_merge_size;
        let shape = [self.grid.t, self.grid.h / merge, self.grid.w / merge, width];
        self.embeddings.clone().reshape(shape)
    }
}

/// The values of a tensor, row by row; waits for the device.
///
/// # Errors
/// [`Error::Execution`] where the device failed on the way.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, Error> {
    let values = tensor.try_into_vec_as::<f32>();
    values.map_err(|error| Error::Execution(error.to_string()))
}
