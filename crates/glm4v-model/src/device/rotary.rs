use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

use crate::fused;
use crate::rotary::RotaryTables;

/// Cosine and sine of every patch's rotary angles, for both halves of a head.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    /// `[patches, 1, 1, head_dim / 2]`
    pub(super) cos: Tensor<4>,
    /// Negative for the first half and positive for the second: `[patches, 1, 2, head_dim / 2]`
    pub(super) sin: Tensor<4>,
}

impl Rotary {
    pub(crate) fn new(tables: &RotaryTables, device: &Device) -> Self {
        let RotaryTables { cos, sin, head_dim } = tables;
        let half = head_dim / 2;
        let signed = sin
            .chunks(half)
            .flat_map(|sin| sin.iter().map(|sin| -sin).chain(sin.iter().copied()));
        let tensor = |values: Vec<f32>, halves| {
            let data = TensorData::new(values, [cos.len() / half, 1, halves, half]);
            Tensor::from_data(data, (device, DType::F32))
        };
        Self {
            sin: tensor(signed.collect(), 2),
            cos: tensor(cos.clone(), 1),
        }
    }

    /// Queries, rotated and multiplied by `query_scale`; rotated keys; values.
    ///
    /// # Shapes
    /// - qkv: `[patches, 3·heads, head_dim]`
    /// - output: `[3·heads, patches, head_dim]`
    pub(crate) fn heads(&self, qkv: Tensor<3>, query_scale: f64) -> Tensor<3> {
        if let Some(heads) = fused::heads(&qkv, &self.cos, &self.sin, query_scale) {
            return heads;
        }
        let heads = qkv.dims()[1] / 3;
        let query_key = self.rotate(qkv.clone().narrow(1, 0, 2 * heads));
        let parts = vec![
            query_key.clone().narrow(1, 0, heads) * query_scale,
            query_key.narrow(1, heads, heads),
            qkv.narrow(1, 2 * heads, heads),
        ];
        Tensor::cat(parts, 1).swap_dims(0, 1)
    }

    /// Rotates each head in f32: the first half against the second half (`apply_rotary_pos_emb_vision`).
    ///
    /// # Shapes
    /// - x, output: `[patches, heads, head_dim]`
    fn rotate(&self, x: Tensor<3>) -> Tensor<3> {
        let (dtype, [rows, heads, head_dim]) = (x.dtype(), x.dims());
        let x = x.cast(FloatDType::F32);
        let x = x.reshape([rows, heads, 2, head_dim / 2]);
        // Whole heads at a time: separate halves would need twice as many passes, and a copy to join them.
        let rotated = x.clone() * self.cos.clone() + x.flip([2]) * self.sin.clone();
        rotated.reshape([rows, heads, head_dim]).cast(dtype)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;
    use glm4v_config::{GridThw, VisionConfig};

    use super::*;
    use crate::layout::BatchLayout;

    #[test]
    fn both_towers_rotate_alike() {
        let config = VisionConfig {
            hidden_size: 36,
            num_heads: 3,
            ..VisionConfig::default()
        };
        let (device, heads, head_dim) = (Device::flex(), 3, 12);
        let layout = BatchLayout::new(&[GridThw::new(1, 2, 6)], 2);
        let tables = RotaryTables::new(&layout, &config);
        let x = Tensor::<3>::random([12, heads, head_dim], Distribution::Default, &device);
        let mut rows: Vec<f32> = x.to_data().iter().collect();
        tables.rotate(0, &mut rows, heads * head_dim, heads);
        let rotary = Rotary::new(&tables, &device);
        let found = rotary.rotate(x).into_data();
        for (found, expected) in found.iter::<f32>().zip(rows) {
            assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
        }
    }
}
