use std::sync::Arc;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

use crate::Walk;

/// Cosine and sine of every patch's rotary angles, on the device: half a head each, the other half being equal.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    cos: Tensor<3>,
    sin: Tensor<3>,
    /// The same on the host.
    tables: Arc<[Vec<f32>; 2]>,
}

impl Rotary {
    pub(crate) fn new(walk: &Walk, head_dim: usize, rope_theta: f64, device: &Device) -> Self {
        let angles = walk.rotary_angles(head_dim, rope_theta);
        let values = |function: fn(f32) -> f32| angles.iter().copied().map(function).collect();
        let tables = [f32::cos, f32::sin].map(values);
        let [cos, sin] = tables.each_ref().map(|values: &Vec<f32>| {
            let data = TensorData::new(values.clone(), [walk.num_patches(), 1, head_dim / 2]);
            Tensor::from_data(data, (device, DType::F32))
        });
        Self {
            cos,
            sin,
            tables: Arc::new(tables),
        }
    }

    /// Rotates the first `heads` heads of the patches from `first` on in place, on the host.
    ///
    /// # Shapes
    /// - rows: `[some patches, stride]`
    pub(crate) fn rotate_rows(&self, first: usize, rows: &mut [f32], stride: usize, heads: usize) {
        let half = self.cos.dims()[2];
        let angles = first * half..(first + rows.len() / stride) * half;
        let [cos, sin] = self.tables.each_ref().map(|table| &table[angles.clone()]);
        let head_dim = 2 * half;
        glm4v_kernels::Rotary { cos, sin, head_dim }.rotate(rows, stride, heads);
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
