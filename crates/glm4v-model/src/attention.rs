use burn::module::Module;
use burn::tensor::{FloatDType, Int, Tensor};
use glm4v_config::VisionConfig;

use crate::rotary::Rotary;
use crate::source::{ParameterSource, Scope};
use crate::tiles::{self, Scores, Tile};
use crate::{Linear, RmsNorm, Run, join};

/// Multi-head attention, full within a segment and never across (`Glm4vVisionAttention`, `GlmOcrVisionAttention`).
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries, keys and values in this order, each split in heads
    pub qkv: Linear,
    /// Norm of each query, in GLM-OCR
    pub q_norm: Option<RmsNorm>,
    /// Norm of each key, in GLM-OCR
    pub k_norm: Option<RmsNorm>,
    /// The heads' outputs mixed
    pub proj: Linear,
    pub(crate) num_heads: usize,
}

impl Attention {
    pub(crate) fn load<S: ParameterSource>(
        config: &VisionConfig,
        mut scope: Scope<'_, S>,
    ) -> Result<Self, S::Error> {
        let mut head_norm = |name| {
            let load = || RmsNorm::load(scope.child(name), config.rms_norm_eps);
            config.has_head_norms().then(load).transpose()
        };
        Ok(Self {
            q_norm: head_norm("q_norm")?,
            k_norm: head_norm("k_norm")?,
            qkv: Linear::load(scope.child("qkv"), config.attention_bias)?,
            proj: Linear::load(scope.child("proj"), config.block_bias())?,
            num_heads: config.num_heads,
        })
    }

    /// The host's own kernel, if it runs there.
    pub(crate) fn on_host(&self) -> Option<glm4v_kernels::Attention> {
        let Linear::Host(qkv) = &self.qkv else {
            return None;
        };
        Some(glm4v_kernels::Attention {
            heads: self.num_heads,
            head_dim: qkv.inputs() / self.num_heads,
            precision: qkv.precision(),
        })
    }

    /// # Shapes
    /// - x, output: `[patches, hidden_size]`, the patches in the walk's order
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        runs: &[Run],
        scores: Scores,
    ) -> Tensor<2> {
        let [_, hidden] = x.dims();
        let heads = self.num_heads;
        let (query_key, value) = self.query_key_value(x, rotary);

        let mut first = 0;
        let mut outputs = Vec::with_capacity(runs.len());
        for run in runs {
            let rows = run.num_patches();
            let query_key = query_key.clone().narrow(0, first, rows);
            let query = segments(query_key.clone().narrow(1, 0, heads), *run);
            let key = segments(query_key.narrow(1, heads, heads), *run);
            let value = column_by_column(segments(value.clone().narrow(0, first, rows), *run));
            let tile = Tile::new(*run, heads, scores.max_bytes);
            let output = tiles::attention([query, key, value], tile, scores.method);
            outputs.push(output.swap_dims(1, 2).reshape([rows, hidden]));
            first += rows;
        }
        self.proj.forward(join(outputs, 0))
    }

    /// How much each of the patches `rows` attends to every patch of their segment, softmax in f32.
    ///
    /// # Shapes
    /// - x: `[segment length, hidden_size]`, one segment
    /// - output: `[heads, rows, segment length]`
    pub(crate) fn weights(&self, x: Tensor<2>, rotary: &Rotary, rows: Tensor<1, Int>) -> Tensor<3> {
        let heads = self.num_heads;
        let (query_key, _) = self.query_key_value(x, rotary);
        let query_key = query_key.cast(FloatDType::F32).swap_dims(0, 1);
        let query = query_key.clone().narrow(0, 0, heads).select(1, rows);
        let key = query_key.narrow(0, heads, heads);
        tiles::weights(query.unsqueeze(), key.unsqueeze()).squeeze_dim(0)
    }

    /// Queries and keys, normed and rotated, and values.
    ///
    /// # Shapes
    /// - x: `[patches, hidden_size]`
    /// - output: `[patches, 2·heads, head_dim]`, `[patches, heads, head_dim]`
    fn query_key_value(&self, x: Tensor<2>, rotary: &Rotary) -> (Tensor<3>, Tensor<3>) {
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
fn segments(x: Tensor<3>, run: Run) -> Tensor<4> {
    let [_, heads, head_dim] = x.dims();
    x.reshape([run.segments, run.length, heads, head_dim])
        .swap_dims(1, 2)
}

/// The same values, stored as a weight is: a product with them is then the kernel that multiplies weights. They are copied
/// for the product anyway, as heads lie between them.
fn column_by_column(x: Tensor<4>) -> Tensor<4> {
    let [segments, heads, length, head_dim] = x.dims();
    let columns: Tensor<1> = x.transpose().flatten(0, 3);
    columns
        .reshape([segments, heads, head_dim, length])
        .transpose()
}
