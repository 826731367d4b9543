use std::collections::HashMap;

use burn::tensor::Tensor;
use glm4v_config::GridThw;
use glm4v_model::{Stage, join};
use glm4v_preprocess::Patches;

use crate::pieces::{Part, Piece, pieces};
use crate::{Cut, Embeddings, Error, VisionEncoder};

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
    /// [`VisionEncoder::encode`], and what else is `wanted` of the tower.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode`]; [`Error::Wanted`] for a block, item or patch that there is not.
    pub fn encode_with(&self, patches: &Patches, wanted: &Wanted) -> Result<Details, Error> {
        self.check(patches)?;
        self.check_wanted(patches.grids(), wanted)?;
        let parts = Part::of_patches(patches);
        let cut = self.plan_parts(&parts)?.cut;
        let mut gathered = Gathered::new(wanted);
        for piece in pieces(&parts, cut.max_patches) {
            self.gather(patches, &piece, cut, wanted, &mut gathered);
        }
        let hidden_states = gathered.hidden_states.into_iter();
        let attention = gathered.attention.into_iter();
        Ok(Details {
            embeddings: self.embeddings(join(gathered.embeddings, 0), patches),
            last_hidden_state: join(gathered.last_hidden_state, 0),
            hidden_states: hidden_states
                .map(|parts| self.maps(&join(parts, 0), patches.grids()))
                .collect(),
            attention: attention
                .map(|map| map.expect("every frame is in a piece"))
                .collect(),
        })
    }

    /// What is wanted of one piece, added to that of those before.
    fn gather(
        &self,
        patches: &Patches,
        piece: &Piece,
        cut: Cut,
        wanted: &Wanted,
        gathered: &mut Gathered,
    ) {
        let queries: Vec<(usize, &AttentionQuery)> = wanted
            .attention
            .iter()
            .enumerate()
            .filter(|(_, query)| piece.rows.contains(&first_row(query, patches.grids())))
            .collect();
        let mut before = None;
        let mut inputs = HashMap::new();
        let mut observe = |stage: Stage, x: Tensor<2>| {
            if let Stage::Block(block) = stage {
                if queries.iter().any(|(_, query)| query.block == block) {
                    let input: Option<Tensor<2>> = before.take();
                    inputs.insert(block, input.expect("a stage comes before the blocks"));
                }
                for (wanted, parts) in wanted.hidden_states.iter().zip(&mut gathered.hidden_states)
                {
                    if *wanted == block {
                        parts.push(x.clone());
                    }
                }
            }
            before = Some(x);
        };
        let pass = self.pass(cut, Some(&mut observe));
        let pixel_values = self.upload(patches, piece.rows.clone());
        let output = self
            .model()
            .forward_with(pixel_values, &piece.grids(), pass);
        gathered.embeddings.push(output.embeddings);
        gathered.last_hidden_state.push(output.last_hidden_state);
        for (index, query) in queries {
            let first = first_row(query, patches.grids()) - piece.rows.start;
            let map = self.attention(query, &inputs[&query.block], first, patches.grids());
            gathered.attention[index] = Some(map);
        }
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

    /// The attention of a query whose frame starts at row `first` of what its block reads.
    fn attention(
        &self,
        query: &AttentionQuery,
        input: &Tensor<2>,
        first: usize,
        grids: &[GridThw],
    ) -> Tensor<3> {
        let merge = self.config().spatial_merge_size;
        let grid = grids[query.item];
        let (h, w) = (grid.h, grid.w);
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

/// What the pieces have given so far.
struct Gathered {
    embeddings: Vec<Tensor<2>>,
    last_hidden_state: Vec<Tensor<2>>,
    /// For each block wanted, the pieces' rows.
    hidden_states: Vec<Vec<Tensor<2>>>,
    /// For each query, its map once its frame has come.
    attention: Vec<Option<Tensor<3>>>,
}

impl Gathered {
    fn new(wanted: &Wanted) -> Self {
        Self {
            embeddings: Vec::new(),
            last_hidden_state: Vec::new(),
            hidden_states: vec![Vec::new(); wanted.hidden_states.len()],
            attention: vec![None; wanted.attention.len()],
        }
    }
}

/// The first row of the query's frame in the batch.
fn first_row(query: &AttentionQuery, grids: &[GridThw]) -> usize {
    let before = grids[..query.item].iter().map(|grid| grid.num_patches());
    let grid = grids[query.item];
    before.sum::<usize>() + query.t * grid.h * grid.w
}

/// Rows in merge-block order, `[t·h·w, width]`, where they belong in the picture: `[t, h, w, width]`.
fn unmerge(rows: Tensor<2>, grid: GridThw, merge: usize) -> Tensor<4> {
    let [_, width] = rows.dims();
    let blocks = [grid.t, grid.h / merge, grid.w / merge, merge, merge, width];
    rows.reshape(blocks)
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([grid.t, grid.h, grid.w, width])
}
