//! Blocks of a tower that runs on the host: rows are worked on in place, some at a time, and keys and values alone are held
//! of all of them. What a large picture takes is then little more than its rows, and what one step writes the next one
//! still finds in the caches.

use std::ops::Range;

use burn::tensor::Tensor;
use glm4v_kernels::{Heads, Keys};

use super::{PackedGateUp, PackedLinear, tensor, values};
use crate::rotary::Rotary;
use crate::{Attention, Block, GateUp, Linear, Run};

/// Rows that go through a block together.
pub(crate) const PART_ROWS: usize = 1024;

/// What a pass over a batch needs beside its rows; every block uses it anew.
pub(crate) struct HostPass<'a> {
    rotary: &'a Rotary,
    keys: Keys,
    parts: Vec<Range<usize>>,
    normed: Vec<f32>,
    /// Queries, keys and values of a part, or some of these
    projected: Vec<f32>,
    attended: Vec<f32>,
    gated: Vec<f32>,
}

/// Queries, keys and values, as thirds of `attn.qkv`.
const ALL: Range<usize> = 0..3;
const QUERIES: Range<usize> = 0..1;
const KEYS_AND_VALUES: Range<usize> = 1..3;

impl<'a> HostPass<'a> {
    /// A pass over the segments of `runs`; none if `attention` does not run on the host.
    pub(crate) fn new(attention: &Attention, rotary: &'a Rotary, runs: &[Run]) -> Option<Self> {
        let keys = attention.on_host()?.keys(&Run::lengths(runs));
        Some(Self {
            rotary,
            parts: keys.parts(PART_ROWS),
            keys,
            normed: Vec::new(),
            projected: Vec::new(),
            attended: Vec::new(),
            gated: Vec::new(),
        })
    }

    /// # Shapes
    /// - x, output: `[patches, hidden_size]`, the patches in the walk's order
    pub(crate) fn block(&mut self, block: &Block, x: Tensor<2>) -> Tensor<2> {
        let (device, shape) = (x.device(), x.dims());
        let mut x = values(x);
        let weights = Weights::of(block);
        let parts = std::mem::take(&mut self.parts);
        if let Some((last, others)) = parts.split_last() {
            for part in others {
                self.project(&weights, &x, part, KEYS_AND_VALUES);
            }
            // The queries of one part can wait beside its keys; those of the others are projected when they are needed.
            self.project(&weights, &x, last, ALL);
            self.finish(&weights, &mut x, last, ALL.len());
            for part in others {
                self.project(&weights, &x, part, QUERIES);
                self.finish(&weights, &mut x, part, QUERIES.len());
            }
        }
        self.parts = parts;
        tensor(x, shape, &device)
    }

    /// Projects the `thirds` of a part, normed and rotated, and packs its keys and values if they are among them.
    fn project(
        &mut self,
        weights: &Weights<'_>,
        x: &[f32],
        part: &Range<usize>,
        thirds: Range<usize>,
    ) {
        let Weights { block, qkv, .. } = weights;
        let (hidden, heads) = (weights.hidden, block.attn.num_heads);
        let x = &x[part.start * hidden..part.end * hidden];
        let normed = room(&mut self.normed, x.len());
        block.norm1.norm_rows(x, normed);
        let stride = thirds.len() * hidden;
        let projected = room(&mut self.projected, part.len() * stride);
        qkv.product_columns(
            normed,
            thirds.start * hidden..thirds.end * hidden,
            projected,
        );

        for (norm, third) in [(&block.attn.q_norm, 0), (&block.attn.k_norm, 1)] {
            if let Some(norm) = norm.as_ref().filter(|_| thirds.contains(&third)) {
                norm.norm_heads(
                    &mut projected[(third - thirds.start) * hidden..],
                    stride,
                    heads,
                );
            }
        }
        let turned = thirds.end.min(2) - thirds.start;
        self.rotary
            .rotate_rows(part.start, projected, stride, turned * heads);
        if thirds.contains(&1) {
            let third = |index: usize| Heads {
                values: &projected[(index - thirds.start) * hidden..],
                stride,
            };
            self.keys.pack(part.clone(), third(1), third(2));
        }
    }

    /// What comes after the projection of a part, whose queries stand first in every row of as many thirds.
    fn finish(&mut self, weights: &Weights<'_>, x: &mut [f32], part: &Range<usize>, thirds: usize) {
        let hidden = weights.hidden;
        let x = &mut x[part.start * hidden..part.end * hidden];
        let queries = Heads {
            values: &self.projected[..part.len() * thirds * hidden],
            stride: thirds * hidden,
        };
        let attended = room(&mut self.attended, x.len());
        self.keys.attend(part.clone(), queries, attended);
        weights.proj.add_product(attended, x);

        let normed = room(&mut self.normed, x.len());
        weights.block.norm2.norm_rows(x, normed);
        let gated = room(&mut self.gated, part.len() * weights.gate_up.outputs());
        weights.gate_up.product(normed, gated);
        weights.down_proj.add_product(gated, x);
    }
}

/// A block's weights, all of them packed.
struct Weights<'a> {
    block: &'a Block,
    hidden: usize,
    qkv: &'a PackedLinear,
    proj: &'a PackedLinear,
    gate_up: &'a PackedGateUp,
    down_proj: &'a PackedLinear,
}

impl<'a> Weights<'a> {
    fn of(block: &'a Block) -> Self {
        let GateUp::Host(gate_up) = &block.mlp.gate_up else {
            panic!("what packs one weight packs all");
        };
        let qkv = packed(&block.attn.qkv);
        Self {
            block,
            hidden: qkv.inputs(),
            qkv,
            proj: packed(&block.attn.proj),
            gate_up,
            down_proj: packed(&block.mlp.down_proj),
        }
    }
}

/// The packed weight of a map that runs on the host.
pub(crate) fn packed(linear: &Linear) -> &PackedLinear {
    match linear {
        Linear::Host(weight) => weight,
        Linear::Device(_) => panic!("what packs one weight packs all"),
    }
}

/// `length` values of `buffer`, whatever they were.
pub(crate) fn room(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        *buffer = vec![0.0; length];
    }
    &mut buffer[..length]
}
