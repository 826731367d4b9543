//! What comes after the blocks of a tower that runs on the host, some tokens at a time.

use burn::tensor::Tensor;
use glm4v_kernels::Activation;

use super::pass::{packed, room};
use super::{PackedLinear, tensor, values};
use crate::{GateUp, Merger};

/// Tokens that go through a stage together.
pub(crate) const PART_TOKENS: usize = 256;

/// The patches of each merge block side by side, channel first as the kernel of `downsample` has them, and multiplied.
///
/// # Shapes
/// - x: `[tokens·merge², hidden_size]`
/// - output: `[tokens, out_hidden_size]`
pub(crate) fn downsample(weight: &PackedLinear, x: Tensor<2>) -> Tensor<2> {
    let (device, [_, hidden]) = (x.device(), x.dims());
    let x = values(x);
    let (width, outer) = (weight.inputs(), weight.outputs());
    let tokens = x.len() / width;
    let mut out = vec![0.0; tokens * outer];
    let mut merged = vec![0.0; PART_TOKENS.min(tokens) * width];
    let parts = x.chunks(PART_TOKENS * width);
    for (x, out) in parts.zip(out.chunks_mut(PART_TOKENS * outer)) {
        let merged = &mut merged[..x.len()];
        for (x, merged) in x.chunks_exact(width).zip(merged.chunks_exact_mut(width)) {
            channel_first(x, hidden, merged);
        }
        weight.product(merged, out);
    }
    tensor(out, [tokens, outer], &device)
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

/// # Shapes
/// - x, output: `[tokens, out_hidden_size]`
pub(crate) fn merge(merger: &Merger, x: Tensor<2>) -> Tensor<2> {
    let (device, shape) = (x.device(), x.dims());
    let GateUp::Host(gate_up) = &merger.mlp.gate_up else {
        panic!("what packs one weight packs all");
    };
    let (proj, down_proj) = (packed(&merger.proj), packed(&merger.mlp.down_proj));
    let x = values(x);
    let mut out = vec![0.0; x.len()];
    let (mut projected, mut normed, mut gated) = (Vec::new(), Vec::new(), Vec::new());
    let part = PART_TOKENS * shape[1];
    for (x, out) in x.chunks(part).zip(out.chunks_mut(part)) {
        let projected = room(&mut projected, x.len());
        proj.product(x, projected);
        let normed = room(&mut normed, x.len());
        merger.post_projection_norm.norm_rows(projected, normed);
        Activation::Gelu.apply(normed);
        let gated = room(&mut gated, x.len() / shape[1] * gate_up.outputs());
        gate_up.product(normed, gated);
        down_proj.product(gated, out);
    }
    tensor(out, shape, &device)
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
