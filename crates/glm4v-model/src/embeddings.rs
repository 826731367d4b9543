use burn::module::{Module, Param};
use burn::tensor::{FloatDType, Int, Tensor, TensorData};

use crate::Walk;
use crate::source::{ParameterSource, Scope};
use crate::walk::TAPS;

/// The learned square position table, read by bicubic interpolation (`Glm4vVisionEmbeddings`).
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `embeddings.position_embedding.weight`, `[positions, hidden_size]`
    pub position_embedding: Param<Tensor<2>>,
}

impl Embeddings {
    pub(crate) fn load<S: ParameterSource>(mut scope: Scope<'_, S>) -> Result<Self, S::Error> {
        let position_embedding = scope.child("position_embedding").param("weight")?;
        Ok(Self { position_embedding })
    }

    /// Adds to each patch the table's value at its centre, interpolated in f32.
    ///
    /// # Shapes
    /// - x, output: `[patches, hidden_size]`
    pub fn forward(&self, x: Tensor<2>, walk: &Walk) -> Tensor<2> {
        let device = x.device();
        let rows = walk.num_patches();
        let taps = walk.position_taps();
        let indices =
            Tensor::<2, Int>::from_data(TensorData::new(taps.indices, [TAPS, rows]), &device);
        let weights = TensorData::new(taps.weights, [TAPS, rows, 1]);
        let weights = Tensor::<3>::from_data(weights, (&device, burn::tensor::DType::F32));
        let table = self.position_embedding.val().cast(FloatDType::F32);

        // Tap after tap: gathering all at once would hold sixteen times the rows.
        let tap = |index: usize| {
            let rows = indices.clone().slice(index..=index).squeeze_dim(0);
            let weight = weights.clone().slice(index..=index).squeeze_dim(0);
            table.clone().select(0, rows) * weight
        };
        let positions = (1..TAPS).fold(tap(0), |sum, index| sum + tap(index));
        x.clone() + positions.cast(x.dtype())
    }
}
