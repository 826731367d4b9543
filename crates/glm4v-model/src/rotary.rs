use std::sync::Arc;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

use crate::Walk;

/// Cosine and sine of every patch's rotary angles, on the device: half a head each, the other half being equal.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    /// `[patches, 1, 1, head_dim / 2]`
    cos: Tensor<4>,
    /// The first half takes it away, the second adds it: `[patches, 1, 2, head_dim / 2]`
    sin: Tensor<4>,
    /// The same on the host.
    tables: Arc<[Vec<f32>; 2]>,
}

impl Rotary {
    pub(crate) fn new(walk: &Walk, head_dim: usize, rope_theta: f64, device: &Device) -> Self {
        let tables = walk.rotary(head_dim, rope_theta);
        let half = head_dim / 2;
        let [cos, sin] = &tables;
        let signed = sin
            .chunks(half)
            .flat_map(|sin| sin.iter().map(|sin| -sin).chain(sin.iter().copied()));
        let tensor = |values: Vec<f32>, halves| {
            let data = TensorData::new(values, [walk.num_patches(), 1, halves, half]);
            Tensor::from_data(data, (device, DType::F32))
        };
        Self {
            sin: tensor(signed.collect(), 2),
            cos: tensor(cos.clone(), 1),
            tables: Arc::new(tables),
        }
    }

    /// Rotates the first `heads` heads of the patches from `first` on in place, on the host.
    ///
    /// # Shapes
    /// - rows: `[some patches, stride]`
    pub(crate) fn rotate_rows(&self, first: usize, rows: &mut [f32], stride: usize, heads: usize) {
        let half = self.cos.dims()[3];
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
        let (dtype, [rows, heads, head_dim]) = (x.dtype(), x.dims());
        let x = x.cast(FloatDType::F32);
        let x = x.reshape([rows, heads, 2, head_dim / 2]);
        // Whole heads at a time: halves apart would be twice as many passes, and a copy to join them.
        let turned = x.clone() * self.cos.clone() + x.flip([2]) * self.sin.clone();
        turned.reshape([rows, heads, head_dim]).cast(dtype)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;
    use glm4v_config::GridThw;

    use super::*;

    #[test]
    fn device_and_host_rotate_alike() {
        let (device, heads, head_dim) = (Device::flex(), 3, 12);
        let walk = Walk::new(&[GridThw::new(1, 2, 6)], 2, 4);
        let rotary = Rotary::new(&walk, head_dim, 10_000.0, &device);
        let x = Tensor::<3>::random([12, heads, head_dim], Distribution::Default, &device);
        let mut rows: Vec<f32> = x.to_data().iter().collect();
        rotary.rotate_rows(0, &mut rows, heads * head_dim, heads);
        let found = rotary.rotate(x).into_data();
        for (found, expected) in found.iter::<f32>().zip(rows) {
            assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
        }
    }
}
