use std::collections::HashMap;

use burn::tensor::Tensor;
use glm4v_config::GridThw;
use glm4v_model::{ForwardOptions, Observer, Stage, join};
use glm4v_preprocess::Patches;

use super::{Embeddings, VisionEncoder, whole};
use crate::batching::{MicroBatch, micro_batches};
use crate::{AttentionQuery, EncodeOptions, Error};

/// The result of [`VisionEncoder::encode_with`].
#[derive(Clone, Debug)]
pub struct EncodeOutput {
    /// The embeddings.
    pub embeddings: Embeddings,
    /// The input of the merger, `[tokens, out_hidden_size]` (transformers' `last_hidden_state`). It is set on request.
    pub last_hidden_state: Option<Tensor<2>>,
    /// For each requested block and each item `[t, h, w, hidden_size]`: every patch at its place in the image.
    pub hidden_states: Vec<Vec<Tensor<4>>>,
    /// For each query `[num_heads, h, w]`: the share of attention that each patch of the frame gets. A head sums to 1.
    pub attention: Vec<Tensor<3>>,
}

impl VisionEncoder {
    /// [`VisionEncoder::encode`] with extra outputs and a cancel token. The first device computes extra outputs alone.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode`]; [`Error::Range`] for a block, item or patch that does not exist; [`Error::Cancelled`].
    pub fn encode_with(
        &self,
        patches: &Patches,
        options: &EncodeOptions,
    ) -> Result<EncodeOutput, Error> {
        options.check(self.config().depth, &patches.grids())?;
        if options.wants_extra() {
            return self.encode_extra(patches, options);
        }
        Ok(EncodeOutput {
            embeddings: self.encode_tensor(patches, options.cancel.as_ref())?,
            last_hidden_state: None,
            hidden_states: Vec::new(),
            attention: Vec::new(),
        })
    }

    fn encode_extra(
        &self,
        patches: &Patches,
        options: &EncodeOptions,
    ) -> Result<EncodeOutput, Error> {
        self.check(patches)?;
        let (replica, spans, grids) = (&self.replicas[0], whole(patches).spans, patches.grids());
        let limits = replica.fit(&spans, options)?;
        let mut stages = Stages {
            blocks: &options.hidden_states,
            outputs: vec![Vec::new(); options.hidden_states.len()],
            inputs: HashMap::new(),
        };
        let mut attention = Vec::new();
        let (mut embeddings, mut last_hidden_state) = (Vec::new(), Vec::new());
        let keeps_last = options.last_hidden_state;
        for batch in micro_batches(&spans, limits.max_patches) {
            let queries = self.queries(options, &batch, &grids);
            stages.inputs = queries.iter().map(|query| (query.block, None)).collect();
            let options = ForwardOptions {
                cancel: options.cancel.as_ref(),
                observer: Some(&mut stages),
                ..replica.forward_options(limits)
            };
            let output = replica.forward(patches, &batch, options)?;
            embeddings.push(output.embeddings);
            last_hidden_state.extend(keeps_last.then_some(output.last_hidden_state));
            for query in queries {
                let input = stages.inputs[&query.block].clone();
                let input = input.expect("the tower shows the input of each requested block");
                attention.push((query.index, self.attention_map(&query, input)));
            }
        }
        attention.sort_by_key(|(index, _)| *index);
        let maps = |parts| self.maps(&join(parts, 0), &grids);
        Ok(EncodeOutput {
            embeddings: self.embeddings(join(embeddings, 0), patches),
            last_hidden_state: keeps_last.then(|| join(last_hidden_state, 0)),
            hidden_states: stages.outputs.into_iter().map(maps).collect(),
            attention: attention.into_iter().map(|(_, map)| map).collect(),
        })
    }

    /// The rows of each item, every patch at its place.
    fn maps(&self, rows: &Tensor<2>, grids: &[GridThw]) -> Vec<Tensor<4>> {
        let merge = self.config().spatial_merge_size;
        let mut first = 0;
        let map = |&grid: &GridThw| {
            let item = rows.clone().narrow(0, first, grid.num_patches());
            first += grid.num_patches();
            unmerge(item, grid, merge)
        };
        grids.iter().map(map).collect()
    }

    /// The queries of one micro-batch.
    fn queries(
        &self,
        options: &EncodeOptions,
        batch: &MicroBatch,
        grids: &[GridThw],
    ) -> Vec<Query> {
        let merge = self.config().spatial_merge_size;
        let find = |(index, query): (usize, &AttentionQuery)| {
            let frame = GridThw {
                t: 1,
                ..grids[query.item]
            };
            let before = grids[..query.item].iter().map(|grid| grid.num_patches());
            let row = before.sum::<usize>() + query.t * frame.num_patches();
            batch.rows.contains(&row).then(|| Query {
                index,
                block: query.block,
                frame,
                first_row: row - batch.rows.start,
                row: frame.patch_row((0, query.y, query.x), merge),
            })
        };
        let queries = options.attention.iter().enumerate();
        queries.filter_map(find).collect()
    }

    /// The attention of one patch, from the input of its block.
    fn attention_map(&self, query: &Query, input: Tensor<2>) -> Tensor<3> {
        let merge = self.config().spatial_merge_size;
        let GridThw { h, w, .. } = query.frame;
        let frame = input.narrow(0, query.first_row, h * w);
        let model = self.model();
        let weights = model.attention_weights(query.block, frame, (h, w), &[query.row]);
        let heads = weights.dims()[0];
        let rows = weights.reshape([heads, h * w]).transpose();
        let map: Tensor<3> = unmerge(rows, query.frame, merge).squeeze_dim(0);
        map.permute([2, 0, 1])
    }
}

/// An [`AttentionQuery`] whose frame is in a micro-batch.
struct Query {
    index: usize,
    block: usize,
    /// The grid of the frame.
    frame: GridThw,
    /// The first row of the frame in the micro-batch.
    first_row: usize,
    /// The row of the patch in the frame.
    row: usize,
}

/// The requested stages of the tower.
struct Stages<'a> {
    blocks: &'a [usize],
    /// For each requested block, its output in each micro-batch so far.
    outputs: Vec<Vec<Tensor<2>>>,
    /// The blocks whose input is requested in this micro-batch, and the input.
    inputs: HashMap<usize, Option<Tensor<2>>>,
}

impl Observer for Stages<'_> {
    fn wants(&self, stage: Stage) -> bool {
        match stage {
            Stage::Block(block) => self.blocks.contains(&block),
            Stage::BlockInput(block) => self.inputs.contains_key(&block),
            Stage::PatchEmbed
            | Stage::PostConvLayernorm
            | Stage::Embeddings
            | Stage::PostLayernorm
            | Stage::Downsample
            | Stage::Merger => false,
        }
    }

    fn observe(&mut self, stage: Stage, x: Tensor<2>) {
        if let Stage::BlockInput(block) = stage {
            self.inputs.insert(block, Some(x));
        } else if let Stage::Block(block) = stage {
            let requested = self.blocks.iter().zip(&mut self.outputs);
            for (_, outputs) in requested.filter(|(requested, _)| **requested == block) {
                outputs.push(x.clone());
            }
        }
    }
}

/// Rows in merge-block order, `[t·h·w, width]`, to their place in the image: `[t, h, w, width]`.
fn unmerge(rows: Tensor<2>, grid: GridThw, merge: usize) -> Tensor<4> {
    let [_, width] = rows.dims();
    let blocks = [grid.t, grid.h / merge, grid.w / merge, merge, merge, width];
    rows.reshape(blocks)
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([grid.t, grid.h, grid.w, width])
}
