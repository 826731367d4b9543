use burn::module::Module;
use burn::tensor::{Tensor, module};
use glm4v_config::VisionConfig;

use crate::rotary::Rotary;
use crate::source::{ParameterSource, Scope};
use crate::{Linear, Run};

/// Multi-head attention, full within a segment and never across (`Glm4vVisionAttention`).
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries, keys and values in this order, each split in heads
    pub qkv: Linear,
    /// The heads' outputs mixed
    pub proj: Linear,
    num_heads: usize,
}

impl Attention {
    pub(crate) fn load<S: ParameterSource>(
        config: &VisionConfig,
        mut scope: Scope<'_, S>,
    ) -> Result<Self, S::Error> {
        Ok(Self {
            qkv: Linear::load(scope.child("qkv"), config.attention_bias)?,
            proj: Linear::load(scope.child("proj"), false)?,
            num_heads: config.num_heads,
        })
    }

    /// # Shapes
    /// - x, output: `[patches, hidden_size]`, the patches in the walk's order
    pub(crate) fn forward(&self, x: Tensor<2>, rotary: &Rotary, runs: &[Run]) -> Tensor<2> {
        let [rows, hidden] = x.dims();
        let heads = self.num_heads;
        let qkv = self
            .qkv
            .forward(x)
            .reshape([rows, 3 * heads, hidden / heads]);
        let query_key = rotary.rotate(qkv.clone().narrow(1, 0, 2 * heads));
        let value = qkv.narrow(1, 2 * heads, heads);

        let mut first = 0;
        let mut outputs = Vec::with_capacity(runs.len());
        for run in runs {
            let rows = run.num_patches();
            let query_key = query_key.clone().narrow(0, first, rows);
            let query = segments(query_key.clone().narrow(1, 0, heads), *run);
            let key = segments(query_key.narrow(1, heads, heads), *run);
            let value = segments(value.clone().narrow(0, first, rows), *run);
            let output = module::attention(query, key, value, None, None, Default::default());
            outputs.push(output.swap_dims(1, 2).reshape([rows, hidden]));
            first += rows;
        }
        self.proj.forward(Tensor::cat(outputs, 0))
    }
}

/// `[rows, heads, head_dim]` → `[segments, heads, segment length, head_dim]`
fn segments(x: Tensor<3>, run: Run) -> Tensor<4> {
    let [_, heads, head_dim] = x.dims();
    x.reshape([run.segments, run.length, heads, head_dim])
        .swap_dims(1, 2)
}
