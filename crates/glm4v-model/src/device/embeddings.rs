use burn::module::{Module, Param};
use burn::tensor::{DType, FloatDType, Int, Tensor, TensorData};

use crate::positions::{PositionTaps, TAPS};

/// The learned square position table, read by bicubic interpolation (`Glm4vVisionEmbeddings`).
#[derive(Module, Debug)]
pub(crate) struct Embeddings {
    /// `[positions, hidden_size]`
    pub(crate) position_embedding: Param<Tensor<2>>,
}

impl Embeddings {
    /// Adds to each patch the value of the table at the patch's centre, interpolated in f32.
    ///
    /// # Shapes
    /// - x, output: `[patches, hidden_size]`
    pub(crate) fn forward(&self, x: Tensor<2>, taps: PositionTaps) -> Tensor<2> {
        let (device, [rows, _]) = (x.device(), x.dims());
        let indices = TensorData::new(taps.indices, [TAPS, rows]);
        let indices = Tensor::<2, Int>::from_data(indices, &device);
        let weights = TensorData::new(taps.weights, [TAPS, rows, 1]);
        let weights = Tensor::<3>::from_data(weights, (&device, DType::F32));
        let table = self.position_embedding.val().cast(FloatDType::F32);

        // One tap at a time: gathering all of them would need sixteen times the memory of the rows.
        let tap = |index: usize| {
            let rows = indices.clone().slice(index..=index).squeeze_dim(0);
            let weight = weights.clone().slice(index..=index).squeeze_dim(0);
            table.clone().select(0, rows) * weight
        };
        let positions = (1..TAPS).fold(tap(0), |sum, index| sum + tap(index));
        x.clone() + positions.cast(x.dtype())
    }
}
