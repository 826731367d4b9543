//! Blocks on the CPU. Rows are changed in place, [`ROW_BLOCK`] at a time; only keys and values are stored for all rows. A large
//! image then needs little more memory than its rows, and each step still finds the previous step's output in the caches.

use std::ops::Range;

use glm4v_config::VisionConfig;
use glm4v_kernels::{Attention, Heads, Keys, PackedGate, PackedWeight, Precision};

use super::norm::RmsNorm;
use super::precisions;
use super::rows::sized;
use crate::layout::BatchLayout;
use crate::rotary::RotaryTables;

/// Rows that pass through a block together.
pub(crate) const ROW_BLOCK: usize = 1024;

/// One transformer block (`Glm4vVisionBlock`).
pub(crate) struct Block {
    pub(crate) norm1: RmsNorm,
    pub(crate) qkv: PackedWeight,
    pub(crate) q_norm: Option<RmsNorm>,
    pub(crate) k_norm: Option<RmsNorm>,
    pub(crate) proj: PackedWeight,
    pub(crate) norm2: RmsNorm,
    pub(crate) gate_up: PackedGate,
    pub(crate) down_proj: PackedWeight,
}

/// The buffers of a pass; every block uses them again.
pub(crate) struct Pass {
    heads: usize,
    rotary: RotaryTables,
    keys: Keys,
    row_blocks: Vec<Range<usize>>,
    normed: Vec<f32>,
    /// The computed thirds of `attn.qkv` for one row block
    projected: Vec<f32>,
    attended: Vec<f32>,
    gated: Vec<f32>,
}

/// Queries, keys and values: the thirds of `attn.qkv`.
const ALL: Range<usize> = 0..3;
const QUERIES: Range<usize> = 0..1;
const QUERIES_AND_KEYS: Range<usize> = 0..2;
const KEYS_AND_VALUES: Range<usize> = 1..3;

impl Pass {
    pub(crate) fn new(layout: &BatchLayout, config: &VisionConfig, precision: Precision) -> Self {
        let keys = attention(config, precision).keys(&layout.segment_lengths());
        Self {
            heads: config.num_heads,
            rotary: RotaryTables::new(layout, config),
            row_blocks: keys.row_blocks(ROW_BLOCK),
            keys,
            normed: Vec::new(),
            projected: Vec::new(),
            attended: Vec::new(),
            gated: Vec::new(),
        }
    }
}

/// The attention kernel of a tower that computes in `precision`.
pub(crate) fn attention(config: &VisionConfig, precision: Precision) -> Attention {
    Attention {
        heads: config.num_heads,
        head_dim: config.head_dim(),
        precision: precisions::of_attention(precision),
    }
}

impl Block {
    /// # Shapes
    /// - x: `[patches, hidden_size]`, in the tower's order; changed in place
    pub(crate) fn forward(&self, x: &mut [f32], pass: &mut Pass) {
        let row_blocks = std::mem::take(&mut pass.row_blocks);
        if let Some((last, others)) = row_blocks.split_last() {
            for rows in others {
                self.project_and_pack(x, rows, KEYS_AND_VALUES, pass);
            }
            // The last row block keeps its queries beside its keys. The others project their queries when they need them.
            self.project_and_pack(x, last, ALL, pass);
            self.finish(x, last, ALL.len(), pass);
            for rows in others {
                self.project(x, rows, QUERIES, pass);
                self.finish(x, rows, QUERIES.len(), pass);
            }
        }
        pass.row_blocks = row_blocks;
    }

    /// Queries and keys of all rows, normed and rotated.
    ///
    /// # Shapes
    /// - x: `[patches, hidden_size]`
    /// - output: `[patches, 2·heads·head_dim]`
    pub(crate) fn query_key(&self, x: &[f32], mut pass: Pass) -> Vec<f32> {
        let rows = 0..x.len() / self.hidden();
        self.project(x, &rows, QUERIES_AND_KEYS, &mut pass);
        pass.projected
    }

    fn hidden(&self) -> usize {
        self.qkv.in_features()
    }

    /// Projects the `thirds` of some rows, normed and rotated, and packs their keys and values.
    fn project_and_pack(
        &self,
        x: &[f32],
        rows: &Range<usize>,
        thirds: Range<usize>,
        pass: &mut Pass,
    ) {
        let hidden = self.hidden();
        let (first, stride) = (thirds.start, thirds.len() * hidden);
        self.project(x, rows, thirds, pass);
        let third = |index: usize| Heads {
            values: &pass.projected[(index - first) * hidden..rows.len() * stride],
            stride,
        };
        pass.keys.pack(rows.clone(), third(1), third(2));
    }

    /// Projects the `thirds` of some rows, normed and rotated.
    fn project(&self, x: &[f32], rows: &Range<usize>, thirds: Range<usize>, pass: &mut Pass) {
        let (hidden, heads) = (self.hidden(), pass.heads);
        let x = &x[rows.start * hidden..rows.end * hidden];
        let normed = sized(&mut pass.normed, x.len());
        self.norm1.forward(x, normed);
        let stride = thirds.len() * hidden;
        let projected = sized(&mut pass.projected, rows.len() * stride);
        let columns = thirds.start * hidden..thirds.end * hidden;
        self.qkv.product_columns(normed, columns, projected);

        for (norm, third) in [(&self.q_norm, 0), (&self.k_norm, 1)] {
            if let Some(norm) = norm.as_ref().filter(|_| thirds.contains(&third)) {
                let first = (third - thirds.start) * hidden;
                norm.forward_heads(&mut projected[first..], stride, heads);
            }
        }
        let rotated = thirds.end.min(2) - thirds.start;
        pass.rotary
            .rotate(rows.start, projected, stride, rotated * heads);
    }

    /// Attention and MLP of some rows, whose queries come first in every projected row of `thirds` thirds.
    fn finish(&self, x: &mut [f32], rows: &Range<usize>, thirds: usize, pass: &mut Pass) {
        let hidden = self.hidden();
        let x = &mut x[rows.start * hidden..rows.end * hidden];
        let queries = Heads {
            values: &pass.projected[..rows.len() * thirds * hidden],
            stride: thirds * hidden,
        };
        let attended = sized(&mut pass.attended, x.len());
        pass.keys.attend(rows.clone(), queries, attended);
        self.proj.add_product(attended, x);

        let normed = sized(&mut pass.normed, x.len());
        self.norm2.forward(x, normed);
        let gated = sized(&mut pass.gated, rows.len() * self.gate_up.out_features());
        self.gate_up.product(normed, gated);
        self.down_proj.add_product(gated, x);
    }
}
