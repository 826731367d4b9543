use burn::module::Module;
use burn::tensor::Tensor;

use super::rotary::Rotary;
use super::{Linear, RmsNorm};
use crate::join;
use crate::layout::SegmentGroup;
use crate::tiles::{self, Scores, Tile};

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
        let (query_key, value) = self.query_key_value(x, rotary);

        let mut first = 0;
        let mut outputs = Vec::with_capacity(groups.len());
        for &group in groups {
            let rows = group.num_patches();
            let query_key = query_key.clone().narrow(0, first, rows);
            let query = segments(query_key.clone().narrow(1, 0, heads), group);
            let key = segments(query_key.narrow(1, heads, heads), group);
            let value = in_columns(segments(value.clone().narrow(0, first, rows), group));
            let tile = Tile::new(group, heads, scores.max_bytes);
            let output = tiles::attention([query, key, value], tile, scores.method);
            outputs.push(output.swap_dims(1, 2).reshape([rows, hidden]));
            first += rows;
        }
        self.proj.forward(join(outputs, 0))
    }

    /// Queries and keys, normed and rotated, and values.
    ///
    /// # Shapes
    /// - x: `[patches, hidden_size]`
    /// - output: `[patches, 2·heads, head_dim]`, `[patches, heads, head_dim]`
    pub(crate) fn query_key_value(&self, x: Tensor<2>, rotary: &Rotary) -> (Tensor<3>, Tensor<3>) {
        let [rows, hidden] = x.dims();
        let heads = self.num_heads;
        let qkv = self.qkv.forward(x);
        let qkv = qkv.reshape([rows, 3 * heads, hidden / heads]);
        let query_key = rotary.rotate(self.norm_heads(qkv.clone().narrow(1, 0, 2 * heads)));
        (query_key, qkv.narrow(1, 2 * heads, heads))
    }

    /// # Shapes
    /// - query_key, output: `[patches, 2·heads, head_dim]`
    fn norm_heads(&self, query_key: Tensor<3>) -> Tensor<3> {
        let (Some(q_norm), Some(k_norm)) = (&self.q_norm, &self.k_norm) else {
            return query_key;
        };
        let heads = self.num_heads;
        let query = q_norm.forward(query_key.clone().narrow(1, 0, heads));
        let key = k_norm.forward(query_key.narrow(1, heads, heads));
        Tensor::cat(vec![query, key], 1)
    }
}

/// `[rows, heads, head_dim]` → `[segments, heads, segment length, head_dim]`
fn segments(x: Tensor<3>, group: SegmentGroup) -> Tensor<4> {
    let [_, heads, head_dim] = x.dims();
    x.reshape([group.segments, group.length, heads, head_dim])
        .swap_dims(1, 2)
}

/// The same values, stored column by column as weights are: products then use the same kernel as products with weights. The
/// product would copy the values anyway, since the rows of one head are not contiguous.
fn in_columns(x: Tensor<4>) -> Tensor<4> {
    let [segments, heads, length, head_dim] = x.dims();
    let columns: Tensor<1> = x.transpose().flatten(0, 3);
    columns
        .reshape([segments, heads, head_dim, length])
        .transpose()
}
