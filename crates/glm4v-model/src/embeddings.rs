use burn::module::{Module, Param};
use burn::tensor::{FloatDType, Int, Tensor, TensorData};

use crate::source::{ParameterSource, Scope};
use crate::walk::{PositionTaps, TAPS};
use crate::{Walk, host};

/// The learned square position table, read by bicubic interpolation (`Glm4vVisionEmbeddings`).
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `embeddings.position_embedding.weight`, `[positions, hidden_size]`
    pub position_embedding: Param<Tensor<2>>,
    #[module(skip)]
    on_host: bool,
}

impl Embeddings {
    pub(crate) fn load<S: ParameterSource>(mut scope: Scope<'_, S>) -> Result<Self, S::Error> {
        Ok(Self {
            on_host: scope.is_on_host(),
            position_embedding: scope.child("position_embedding").param("weight")?,
        })
    }

    /// Adds to each patch the table's value at its centre, interpolated in f32.
    ///
    /// # Shapes
    /// - x, output: `[patches, hidden_size]`
    pub fn forward(&self, x: Tensor<2>, walk: &Walk) -> Tensor<2> {
        let taps = walk.position_taps();
        if self.on_host {
            return self.add_on_host(x, &taps);
        }
        let device = x.device();
        let rows = walk.num_patches();
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

    /// The same patch by patch, so that what is summed stays in the cache.
    fn add_on_host(&self, x: Tensor<2>, taps: &PositionTaps) -> Tensor<2> {
        let (device, [rows, hidden]) = (x.device(), x.dims());
        let table = host::values(self.position_embedding.val());
        let mut x = host::values(x);
        let mut position = vec![0.0; hidden];
        for (patch, row) in x.chunks_exact_mut(hidden).enumerate() {
            position.fill(0.0);
            for tap in (patch..TAPS * rows).step_by(rows) {
                let (entry, weight) = (taps.indices[tap] as usize, taps.weights[tap]);
                let entry = &table[entry * hidden..][..hidden];
                let values = position.iter_mut().zip(entry);
                values.for_each(|(sum, value)| *sum += value * weight);
            }
            let values = row.iter_mut().zip(&position);
            values.for_each(|(value, position)| *value += position);
        }
        host::tensor(x, [rows, hidden], &device)
    }
}
