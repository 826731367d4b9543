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
    /// What the merger read: `[tokens, out_hidden_size]` (transformers' `last_hidden_state`).
    pub last_hidden_state: Tensor<2>,
    /// The grids of the items, in patches.
    pub grids: Vec<GridThw>,
    pub(crate) spatial_merge_size: usize,
}

/// The embeddings of one picture.
#[derive(Clone, Debug)]
pub struct Item {
    /// The picture's grid, in patches.
    pub grid: GridThw,
    /// `[tokens, out_hidden_size]`, row by row of the merged grid.
    pub embeddings: Tensor<2>,
}

impl Embeddings {
    /// The items one after another, in the order of the batch.
    pub fn items(&self) -> impl Iterator<Item = Item> + '_ {
        let mut first = 0;
        self.grids.iter().map(move |&grid| {
            let tokens = grid.num_tokens(self.spatial_merge_size);
            let embeddings = self.embeddings.clone().narrow(0, first, tokens);
            first += tokens;
            Item { grid, embeddings }
        })
    }

    /// The values of [`Embeddings::embeddings`], row by row; waits for the device.
    ///
    /// # Errors
    /// [`Error::Execution`] where the device failed on the way.
    pub fn into_values(self) -> Result<Vec<f32>, Error> {
        let values = self.embeddings.try_into_vec_as::<f32>();
        values.map_err(|error| Error::Execution(error.to_string()))
    }

    /// Tokens of all items.
    #[must_use]
    pub fn num_tokens(&self) -> usize {
        self.grids
            .iter()
            .map(|grid| grid.num_tokens(self.spatial_merge_size))
            .sum()
    }
}
