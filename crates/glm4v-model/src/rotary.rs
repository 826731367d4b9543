use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

use crate::Walk;

/// Cosine and sine of every patch's rotary angles, on the device: half a head each, the other half being equal.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    cos: Tensor<3>,
    sin: Tensor<3>,
}

impl Rotary {
    pub(crate) fn new(walk: &Walk, head_dim: usize, rope_theta: f64, device: &Device) -> Self {
        let angles = walk.rotary_angles(head_dim, rope_theta);
        let table = |function: fn(f32) -> f32| {
            let values: Vec<f32> = angles.iter().copied().map(function).collect();
            let data = TensorData::new(values, [walk.num_patches(), 1, head_dim / 2]);
            Tensor::from_data(data, (device, DType::F32))
        };
        Self {
            cos: table(f32::cos),
            sin: table(f32::sin),
        }
    }

    /// Rotates each head in f32: first half against second half (`apply_rotary_pos_emb_vision`).
    ///
    /// # Shapes
    /// - x, output: `[patches, heads, head_dim]`
    pub(crate) fn rotate(&self, x: Tensor<3>) -> Tensor<3> {
        let dtype = x.dtype();
        let half = x.dims()[2] / 2;
        let x = x.cast(FloatDType::F32);
        let first = x.clone().narrow(2, 0, half);
        let second = x.narrow(2, half, half);
        let turned = Tensor::cat(
            vec![
                first.clone() * self.cos.clone() - second.clone() * self.sin.clone(),
                second * self.cos.clone() + first * self.sin.clone(),
            ],
            2,
        );
        turned.cast(dtype)
    }
}
