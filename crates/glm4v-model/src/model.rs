use std::fmt;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use glm4v_config::{GridThw, VisionConfig};

use crate::cpu::CpuTower;
use crate::device::DeviceTower;
use crate::forward::{self, Stages};
use crate::layout::BatchLayout;
use crate::{Cancelled, ComputeMode, ForwardOptions, PatchRows, VisionOutput};

/// The vision tower (`Glm4vVisionModel`, `Glm4vMoeVisionModel`, `GlmOcrVisionModel`, `Glm5NextVisionModel` of transformers
/// 5.23).
///
/// A [`TowerBuilder`](crate::TowerBuilder) builds it. Clones share the parameters.
#[derive(Clone)]
pub struct VisionModel {
    device: Device,
    mode: ComputeMode,
    tower: Tower,
}

#[derive(Clone)]
pub(crate) enum Tower {
    Cpu(Arc<CpuTower>),
    Device(Box<DeviceTower>),
}

impl VisionModel {
    pub(crate) fn new(device: Device, mode: ComputeMode, tower: Tower) -> Self {
        Self {
            device,
            mode,
            tower,
        }
    }
    /// The configuration that the tower was built from.
    #[must_use]
    pub fn config(&self) -> &VisionConfig {
        match &self.tower {
            Tower::Cpu(tower) => tower.config(),
            Tower::Device(tower) => tower.config(),
        }
    }

    /// The device of the tower's inputs and outputs. A device tower also has its parameters there.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device.clone()
    }

    /// How the tower computes.
    #[must_use]
    pub fn mode(&self) -> ComputeMode {
        self.mode
    }

    /// Runs the tower over a packed batch.
    ///
    /// # Shapes
    /// - rows: see [`PatchRows`]; one item after another, in merge-block order
    /// - output: see [`VisionOutput`]
    ///
    /// # Errors
    /// [`Cancelled`] if the token of `options` was cancelled.
    ///
    /// # Panics
    /// If the rows are not those of `grids`, or a grid does not consist of whole merge blocks.
    pub fn forward(
        &self,
        rows: Vec<PatchRows>,
        grids: &[GridThw],
        options: ForwardOptions<'_>,
    ) -> Result<VisionOutput, Cancelled> {
        let layout = BatchLayout::new(grids, self.config().spatial_merge_size);
        self.check(&rows, &layout);
        match &self.tower {
            Tower::Cpu(tower) => forward::forward(&**tower, rows, &layout, options),
            Tower::Device(tower) => forward::forward(&**tower, rows, &layout, options),
        }
    }

    /// The attention of some patches of one frame to all patches of the frame, in block `block`.
    ///
    /// # Shapes
    /// - x: the block's input for this frame, `[h·w, hidden_size]` in merge-block order
    ///   ([`Stage::BlockInput`](crate::Stage::BlockInput))
    /// - rows: the rows of `x` whose attention is computed
    /// - output: `[num_heads, rows, h·w]` in f32, columns in merge-block order. Each row adds up to 1.
    ///
    /// # Panics
    /// If there is no such block, or `x` is not a frame of `h` × `w` patches.
    #[must_use]
    pub fn attention_weights(
        &self,
        block: usize,
        x: Tensor<2>,
        (h, w): (usize, usize),
        rows: &[usize],
    ) -> Tensor<3> {
        let frame = GridThw::new(1, h, w);
        let layout = BatchLayout::new(&[frame], self.config().spatial_merge_size);
        let expected = layout.num_patches();
        assert_eq!(x.dims()[0], expected, "x must be the patches of {frame}");
        match &self.tower {
            Tower::Cpu(tower) => forward::attention_weights(&**tower, block, x, &layout, rows),
            Tower::Device(tower) => forward::attention_weights(&**tower, block, x, &layout, rows),
        }
    }

    fn check(&self, rows: &[PatchRows], layout: &BatchLayout) {
        let expected = layout.num_patches();
        let found: usize = rows.iter().map(|rows| rows.dims()[0]).sum();
        assert_eq!(found, expected, "the grids have {expected} patches");
        for rows in rows {
            let (kind, [_, found]) = (rows.kind(), rows.dims());
            let expected = self.config().row_len(kind);
            assert_eq!(found, expected, "{kind:?} rows have {expected} values");
        }
    }
}

impl fmt::Debug for VisionModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisionModel")
            .field("config", self.config())
            .field("device", &self.device)
            .field("mode", &self.mode)
            .finish()
    }
}
