use std::collections::HashMap;

use burn::tensor::Tensor;
use glm4v_config::GridThw;
use glm4v_model::Stage;
use glm4v_preprocess::Patches;

use crate::{Embeddings, Error, VisionEncoder};

/// What is wanted of the tower beside the embeddings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Blocks, counted from 0, whose output is wanted.
    pub hidden_states: Vec<usize>,
    /// Patches whose attention is wanted.
    pub attention: Vec<AttentionQuery>,
}

/// A patch that looks at the others of its frame, in one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttentionQuery {
    /// The block, counted from 0.
    pub block: usize,
    /// The picture or clip, counted from 0 in the batch.
    pub item: usize,
    /// The temporal patch; 0 of a still.
    pub t: usize,
    /// The row of patches.
    pub y: usize,
    /// The column of patches.
    pub x: usize,
}

/// What [`VisionEncoder::encode_with`] gives.
#[derive(Clone, Debug)]
pub struct Details {
    /// The embeddings.
    pub embeddings: Embeddings,
    /// What the merger makes them of: `[tokens, out_hidden_size]` (transformers' `last_hidden_state`).
    pub last_hidden_state: Tensor<2>,
    /// For each block wanted, and in it for each item, `[t, h, w, hidden_size]`: the patches where they belong in the
    /// picture, no longer in merge-block order.
    pub hidden_states: Vec<Vec<Tensor<4>>>,
    /// For each query the share of its attention that each patch of its frame gets, `[num_heads, h, w]`; each head
    /// adds up to 1.
    pub attention: Vec<Tensor<3>>,
}

impl VisionEncoder {
    /// [`VisionEncoder::encode`] in one pass over the whole batch, and what else is `wanted` of the tower.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode`]; [`Error::Wanted`] for a block, item or patch that there is not.
    pub fn encode_with(&self, patches: &Patches, wanted: &Wanted) -> Result<Details, Error> {
        self.check_wanted(patches.grids(), wanted)?;
        let mut before = None;
        let mut last_hidden_state = None;
        let (mut inputs, mut outputs) = (HashMap::new(), HashMap::new());
        let mut observe = |stage: Stage, x: Tensor<2>| {
            if let Stage::Block(block) = stage {
                if wanted.attention.iter().any(|query| query.block == block) {
                    inputs.insert(
                        block,
                        before.clone().expect("a stage comes before the blocks"),
                    );
                }
                if wanted.hidden_states.contains(&block) {
                    outputs.insert(block, x.clone());
                }
            }
            if stage == Stage::Downsample {
                last_hidden_state = Some(x.clone());
            }
            before = Some(x);
        };
        let embeddings = self.encode_observed(patches, Some(&mut observe))?;
        let hidden_states = wanted.hidden_states.iter();
        let attention = wanted.attention.iter();
        Ok(Details {
            embeddings,
            last_hidden_state: last_hidden_state.expect("every tower has this stage"),
            hidden_states: hidden_states
                .map(|block| self.maps(&outputs[block], patches.grids()))
                .collect(),
            attention: attention
                .map(|query| self.attention(query, &inputs[&query.block], patches.grids()))
                .collect(),
        })
    }

    fn check_wanted(&self, grids: &[GridThw], wanted: &Wanted) -> Result<(), Error> {
        let check = |what, found: usize, count: usize| match found < count {
            true => Ok(()),
            false => Err(Error::Wanted { what, found, count }),
        };
        let depth = self.config().depth;
        for &block in &wanted.hidden_states {
            check("a block", block, depth)?;
        }
        for query in &wanted.attention {
            check("a block", query.block, depth)?;
            check("an item", query.item, grids.len())?;
            let grid = grids[query.item];
            check("a temporal patch", query.t, grid.t)?;
            check("a row of patches", query.y, grid.h)?;
            check("a column of patches", query.x, grid.w)?;
        }
        Ok(())
    }

    /// The rows of all items as a map each.
    fn maps(&self, rows: &Tensor<2>, grids: &[GridThw]) -> Vec<Tensor<4>> {
        let merge = self.config().spatial_merge_size;
        let mut first = 0;
        let map = |&grid: &GridThw| {
            let patches = grid.num_patches();
            let own = rows.clone().narrow(0, first, patches);
            first += patches;
            unmerge(own, grid, merge)
        };
        grids.iter().map(map).collect()
    }

    fn attention(&self, query: &AttentionQuery, input: &Tensor<2>, grids: &[GridThw]) -> Tensor<3> {
        let merge = self.config().spatial_merge_size;
        let grid = grids[query.item];
        let (h, w) = (grid.h, grid.w);
        let before = grids[..query.item].iter().map(|grid| grid.num_patches());
        let first = before.sum::<usize>() + query.t * h * w;
        let frame = input.clone().narrow(0, first, h * w);
        let row = grid.patch_row((0, query.y, query.x), merge);
        let weights = self
            .model()
            .attention_weights(query.block, frame, (h, w), &[row]);
        let heads = weights.dims()[0];
        let rows = weights.reshape([heads, h * w]).transpose();
        let map: Tensor<3> = unmerge(rows, GridThw::new(1, h, w), merge).squeeze_dim(0);
        map.permute([2, 0, 1])
    }
}

/// Rows in merge-block order, `[t·h·w, width]`, where they belong in the picture: `[t, h, w, width]`.
fn unmerge(rows: Tensor<2>, grid: GridThw, merge: usize) -> Tensor<4> {
    let [_, width] = rows.dims();
    let blocks = [grid.t, grid.h / merge, grid.w / merge, merge, merge, width];
    rows.reshape(blocks)
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([grid.t, grid.h, grid.w, width])
}
