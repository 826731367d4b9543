//! The tower as operations of a burn backend. Fields have the names of the checkpoint's keys.

mod attention;
mod block;
mod builder;
mod embeddings;
#[cfg(all(test, feature = "wgpu"))]
mod gpu_tests;
pub(crate) mod linear;
mod merger;
mod mlp;
mod norm;
mod patch_embed;
mod rotary;

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use glm4v_config::VisionConfig;

use self::attention::Attention;
use self::block::Block;
pub use self::builder::DeviceBuilder;
use self::embeddings::Embeddings;
pub use self::linear::Linear;
use self::merger::Merger;
use self::mlp::Mlp;
use self::norm::{LayerNorm, RmsNorm};
use self::patch_embed::PatchEmbed;
use self::rotary::Rotary;
use crate::PatchRows;
use crate::forward::Stages;
use crate::layout::{BatchLayout, SegmentGroup};
use crate::positions::PositionTaps;
use crate::rotary::RotaryTables;
use crate::tiles::Scores;

/// The tower's modules on one device.
#[derive(Module, Debug)]
pub(crate) struct DeviceTower {
    patch_embed: PatchEmbed,
    post_conv_layernorm: Option<RmsNorm>,
    embeddings: Option<Embeddings>,
    blocks: Vec<Block>,
    post_layernorm: RmsNorm,
    /// A convolution: its kernel is flattened to `[out, hidden·merge²]`
    downsample: Linear,
    merger: Merger,
    #[module(skip)]
    config: VisionConfig,
}

/// The inputs that all blocks share.
pub(crate) struct Pass {
    rotary: Rotary,
    groups: Vec<SegmentGroup>,
    scores: Scores,
}

impl DeviceTower {
    fn rotary(&self, layout: &BatchLayout) -> Rotary {
        let tables = RotaryTables::new(layout, &self.config);
        Rotary::new(&tables, &self.post_layernorm.weight.device())
    }
}

impl Stages for DeviceTower {
    type Rows = Tensor<2>;
    type Pass = Pass;

    fn config(&self) -> &VisionConfig {
        &self.config
    }

    fn patch_embed(&self, rows: Vec<PatchRows>) -> Tensor<2> {
        let dtype = self.post_layernorm.weight.dtype();
        self.patch_embed.forward(rows, dtype)
    }

    fn post_conv_layernorm(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.post_conv_layernorm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    fn embeddings(&self, x: Tensor<2>, layout: &BatchLayout) -> Tensor<2> {
        match &self.embeddings {
            Some(embeddings) => {
                embeddings.forward(x, PositionTaps::new(layout, self.config.position_side()))
            }
            None => x,
        }
    }

    fn begin(&self, layout: &BatchLayout, scores: Scores) -> Pass {
        Pass {
            rotary: self.rotary(layout),
            groups: layout.groups().to_vec(),
            scores,
        }
    }

    fn block(&self, index: usize, x: Tensor<2>, pass: &mut Pass) -> Tensor<2> {
        self.blocks[index].forward(x, &pass.rotary, &pass.groups, pass.scores)
    }

    fn post_layernorm(&self, x: Tensor<2>) -> Tensor<2> {
        self.post_layernorm.forward(x)
    }

    /// Concatenates the patches of each merge block, channel first as the kernel needs them, and multiplies.
    fn downsample(&self, x: Tensor<2>) -> Tensor<2> {
        let [rows, hidden] = x.dims();
        let width = self.downsample.in_features();
        let (tokens, merge_area) = (rows * hidden / width, width / hidden);
        let merged = x
            .reshape([tokens, merge_area, hidden])
            .swap_dims(1, 2)
            .reshape([tokens, width]);
        self.downsample.forward(merged)
    }

    fn merger(&self, x: &Tensor<2>) -> Tensor<2> {
        self.merger.forward(x.clone())
    }

    fn query_key(&self, block: usize, x: Tensor<2>, layout: &BatchLayout) -> Tensor<3> {
        let block = &self.blocks[block];
        let x = block.norm1.forward(x);
        let [query, key, _] = block.attn.query_key_value(x, &self.rotary(layout), 1.0);
        Tensor::cat(vec![query, key], 0).swap_dims(0, 1)
    }

    fn reorder(x: &Tensor<2>, order: &[i32]) -> Tensor<2> {
        let order = TensorData::new(order.to_vec(), [order.len()]);
        let order = Tensor::<1, Int>::from_data(order, &x.device());
        x.clone().select(0, order)
    }

    fn rows(x: Tensor<2>) -> Tensor<2> {
        x
    }

    fn tensor(&self, x: Tensor<2>) -> Tensor<2> {
        x
    }
}
