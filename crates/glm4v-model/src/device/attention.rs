use burn::module::Module;
use burn::tensor::Tensor;

use super::rotary::Rotary;
use super::{Linear, RmsNorm};
use crate::layout::SegmentGroup;
use crate::tiles::{self, SCORE, Scores, Tile};
use crate::{fused, join, product};

/// Multi-head attention within each segment (`Glm4vVisionAttention`, `GlmOcrVisionAttention`).
#[derive(Module, Debug)]
pub(crate) struct Attention {
    /// Queries, keys and values in this order, each split in heads
    pub(crate) qkv: Linear,
    /// Norm of each query, in GLM-OCR and GLM-5.3-Flash
    pub(crate) q_norm: Option<RmsNorm>,
    /// Norm of each key, in GLM-OCR and GLM-5.3-Flash
    pub(crate) k_norm: Option<RmsNorm>,
    /// Mixes the outputs of the heads
    pub(crate) proj: Linear,
    pub(crate) num_heads: usize,
}

impl Attention {
    /// # Shapes
    /// - x, output: `[patches, hidden_size]`, in the tower's order
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        groups: &[SegmentGroup],
        scores: Scores,
    ) -> Tensor<2> {
        let [_, hidden] = x.dims();
        let heads = self.num_heads;
        let query_scale = scores.method.query_scale(hidden / heads);
        // burn's operations store an f32 softmax. Our kernel stores it in the tower's type.
        let score = match fused::runs_on(&x) {
            true => x.dtype().size() as u64,
            false => SCORE,
        };
        let [query, key, value] = self.query_key_value(x, rotary, query_scale);

        let mut first = 0;
        let mut outputs = Vec::with_capacity(groups.len());
        for &group in groups {
            let rows = group.num_patches();
            let [query, key, value] = [&query, &key, &value].map(|x| segments(x, first, group));
            let tile = Tile::new(group, heads, scores.max_bytes, score);
            let output = tiles::attention([query, key, in_columns(value)], tile, scores.method);
            let output: Tensor<3> = output.reshape([heads, rows, hidden / heads]);
            outputs.push(output.swap_dims(0, 1).reshape([rows, hidden]));
            first += rows;
        }
        self.proj.forward(join(outputs, 0))
    }

    /// Queries, normed, rotated and multiplied by `query_scale`; keys, normed and rotated; values.
    ///
    /// # Shapes
    /// - x: `[patches, hidden_size]`
    /// - output: `[heads, patches, head_dim]` each
    pub(crate) fn query_key_value(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        query_scale: f64,
    ) -> [Tensor<3>; 3] {
        let [rows, hidden] = x.dims();
        let heads = self.num_heads;
        let qkv = self.qkv.forward(x);
        let qkv = self.norm_heads(qkv.reshape([rows, 3 * heads, hidden / heads]));
        let qkv = rotary.heads(qkv, query_scale);
        thirds(&qkv, 0)
    }

    /// # Shapes
    /// - qkv, output: `[patches, 3·heads, head_dim]`
    fn norm_heads(&self, qkv: Tensor<3>) -> Tensor<3> {
        let (Some(q_norm), Some(k_norm)) = (&self.q_norm, &self.k_norm) else {
            return qkv;
        };
        let [query, key, value] = thirds(&qkv, 1);
        Tensor::cat(vec![q_norm.forward(query), k_norm.forward(key), value], 1)
    }
}

/// Queries, keys and values, which stand one after another along `dim`.
fn thirds(qkv: &Tensor<3>, dim: usize) -> [Tensor<3>; 3] {
    let heads = qkv.dims()[dim] / 3;
    [0, 1, 2].map(|part| qkv.clone().narrow(dim, part * heads, heads))
}

/// `[heads, patches, head_dim]` → `[heads, segments, segment length, head_dim]`, from the patch `first` on
fn segments(x: &Tensor<3>, first: usize, group: SegmentGroup) -> Tensor<4> {
    let [heads, _, head_dim] = x.dims();
    x.clone().narrow(1, first, group.num_patches()).reshape([
        heads,
        group.segments,
        group.length,
        head_dim,
    ])
}

/// The same values, stored column by column as weights are: burn's products then use the same kernel as products with weights.
fn in_columns(x: Tensor<4>) -> Tensor<4> {
    if product::is_cublas(&x) {
        return x;
    }
    let [heads, segments, length, head_dim] = x.dims();
    let columns: Tensor<1> = x.transpose().flatten(0, 3);
    columns
        .reshape([heads, segments, head_dim, length])
        .transpose()
}
