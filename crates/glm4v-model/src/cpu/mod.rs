//! The tower on the CPU: the stages over f32 rows, with this project's kernels. Every weight is packed once, when it is added to
//! the builder. Rows change hands between burn and the tower without a copy, unless a tensor shares them.

pub(crate) mod block;
mod buffers;
mod builder;
pub(crate) mod merger;
mod norm;
pub(crate) mod patch_embed;
pub(crate) mod precisions;
mod rows;

use burn::tensor::{DType, Device, Tensor, TensorData};
use glm4v_config::VisionConfig;
use glm4v_kernels::{PackedWeight, Precision, Taps};

use self::block::{Block, Pass};
pub use self::builder::{CpuBuilder, StoredValues};
use self::merger::Merger;
use self::norm::RmsNorm;
use self::patch_embed::PatchEmbed;
use self::rows::CpuRows;
use crate::PatchRows;
use crate::forward::Stages;
use crate::layout::BatchLayout;
use crate::positions::PositionTaps;
use crate::tiles::Scores;

/// The tower's stages with packed weights.
pub(crate) struct CpuTower {
    config: VisionConfig,
    /// Where tensors given to the caller are
    device: Device,
    precision: Precision,
    patch_embed: PatchEmbed,
    post_conv_layernorm: Option<RmsNorm>,
    /// `[positions, hidden_size]`
    position_embedding: Option<Vec<f32>>,
    blocks: Vec<Block>,
    post_layernorm: RmsNorm,
    downsample: PackedWeight,
    merger: Merger,
}

impl Stages for CpuTower {
    type Rows = CpuRows;
    type Pass = Pass;

    fn config(&self) -> &VisionConfig {
        &self.config
    }

    fn patch_embed(&self, rows: Vec<PatchRows>) -> CpuRows {
        self.patch_embed.forward(rows)
    }

    fn post_conv_layernorm(&self, mut x: CpuRows) -> CpuRows {
        if let Some(norm) = &self.post_conv_layernorm {
            norm.forward_in_place(&mut x.values);
        }
        x
    }

    fn embeddings(&self, mut x: CpuRows, layout: &BatchLayout) -> CpuRows {
        if let Some(table) = &self.position_embedding {
            let PositionTaps { indices, weights } =
                PositionTaps::new(layout, self.config.position_side());
            let taps = Taps {
                indices: &indices,
                weights: &weights,
            };
            taps.add_to(table, x.width, &mut x.values);
        }
        x
    }

    fn begin(&self, layout: &BatchLayout, _: Scores) -> Pass {
        Pass::new(layout, &self.config, self.precision)
    }

    fn block(&self, index: usize, mut x: CpuRows, pass: &mut Pass) -> CpuRows {
        self.blocks[index].forward(&mut x.values, pass);
        x
    }

    fn post_layernorm(&self, mut x: CpuRows) -> CpuRows {
        self.post_layernorm.forward_in_place(&mut x.values);
        x
    }

    fn downsample(&self, x: CpuRows) -> CpuRows {
        merger::downsample(&self.downsample, &x)
    }

    fn merger(&self, x: &CpuRows) -> CpuRows {
        self.merger.forward(x)
    }

    fn query_key(&self, block: usize, x: CpuRows, layout: &BatchLayout) -> Tensor<3> {
        let pass = Pass::new(layout, &self.config, self.precision);
        let values = self.blocks[block].query_key(&x.values, pass);
        let heads = 2 * self.config.num_heads;
        let data = TensorData::new(values, [x.len(), heads, self.config.head_dim()]);
        Tensor::from_data(data, (&self.device, DType::F32))
    }

    fn reorder(x: &CpuRows, order: &[i32]) -> CpuRows {
        x.reorder(order)
    }

    fn rows(x: Tensor<2>) -> CpuRows {
        CpuRows::from_tensor(x)
    }

    fn tensor(&self, x: CpuRows) -> Tensor<2> {
        x.into_tensor(&self.device)
    }
}
