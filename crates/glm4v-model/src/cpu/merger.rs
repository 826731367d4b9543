//! The stages after the blocks, [`TOKEN_BLOCK`] tokens at a time.

use glm4v_kernels::{Activation, PackedGate, PackedWeight};

use super::norm::LayerNorm;
use super::rows::{CpuRows, sized};

/// Tokens that pass through a stage together.
pub(crate) const TOKEN_BLOCK: usize = 256;

/// The patches of each merge block side by side, channel first as the kernel of `downsample` needs them, and multiplied.
///
/// # Shapes
/// - x: `[tokens·merge², hidden_size]`
/// - output: `[tokens, out_hidden_size]`
pub(crate) fn downsample(weight: &PackedWeight, x: &CpuRows) -> CpuRows {
    let (width, out_features) = (weight.in_features(), weight.out_features());
    let mut out = CpuRows::zeros(x.values.len() / width, out_features);
    let mut merged = vec![0.0; TOKEN_BLOCK.min(out.len()) * width];
    let blocks = x.values.chunks(TOKEN_BLOCK * width);
    for (rows, out) in blocks.zip(out.values.chunks_mut(TOKEN_BLOCK * out_features)) {
        let merged = &mut merged[..rows.len()];
        for (token, merged) in rows.chunks_exact(width).zip(merged.chunks_exact_mut(width)) {
            channel_first(token, x.width, merged);
        }
        weight.product(merged, out);
    }
    out
}

/// `[patches, hidden]` → `[hidden, patches]`
fn channel_first(x: &[f32], hidden: usize, out: &mut [f32]) {
    let patches = x.len() / hidden;
    for (patch, x) in x.chunks_exact(hidden).enumerate() {
        for (out, x) in out[patch..].iter_mut().step_by(patches).zip(x) {
            *out = *x;
        }
    }
}

/// From downsampled rows to embeddings (`Glm4vVisionPatchMerger`).
pub(crate) struct Merger {
    pub(crate) proj: PackedWeight,
    pub(crate) post_projection_norm: LayerNorm,
    pub(crate) gate_up: PackedGate,
    pub(crate) down_proj: PackedWeight,
}

impl Merger {
    /// # Shapes
    /// - x, output: `[tokens, out_hidden_size]`
    pub(crate) fn forward(&self, x: &CpuRows) -> CpuRows {
        let width = x.width;
        let mut out = CpuRows::zeros(x.len(), width);
        let (mut projected, mut normed, mut gated) = (Vec::new(), Vec::new(), Vec::new());
        let block = TOKEN_BLOCK * width;
        for (x, out) in x.values.chunks(block).zip(out.values.chunks_mut(block)) {
            let projected = sized(&mut projected, x.len());
            self.proj.product(x, projected);
            let normed = sized(&mut normed, x.len());
            self.post_projection_norm.forward(projected, normed);
            Activation::Gelu.apply(normed);
            let gated = sized(&mut gated, x.len() / width * self.gate_up.out_features());
            self.gate_up.product(normed, gated);
            self.down_proj.product(gated, out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_come_first() {
        let mut out = [0.0; 6];
        channel_first(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, &mut out);
        assert_eq!(out, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
