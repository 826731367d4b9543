use anyhow::{Result, bail};
use glm4v::{AttentionQuery, EncodeOptions, Error, Patches, VisionConfig, VisionEncoder, values};
use ndarray::ArrayView2;

use super::ExtraOutputArgs;
use crate::interrupt;
use crate::output::Tensor;
use crate::values::attention_name;

/// The outputs of all batches so far.
#[derive(Default)]
pub(super) struct Outputs {
    /// The requested outputs. An attention query counts its item among all inputs.
    pub(super) options: EncodeOptions,
    /// The number of inputs so far.
    items: usize,
    embeddings: Vec<f32>,
    last_hidden_state: Vec<f32>,
    /// For each block of the options.
    hidden_states: Vec<Vec<f32>>,
    /// For each query, in the order of the batches: its map and the map's shape.
    attention: Vec<(AttentionQuery, [usize; 3], Vec<f32>)>,
}

impl Outputs {
    /// The outputs that `args` request, for a number of inputs.
    pub(super) fn new(args: &ExtraOutputArgs, inputs: usize) -> Result<Self> {
        let mut attention: Vec<AttentionQuery> = Vec::with_capacity(args.attention.len());
        for query in &args.attention {
            if !attention.contains(query) {
                attention.push(*query);
            }
        }
        if let Some(query) = attention.iter().find(|query| query.item >= inputs) {
            let (at, last, found) = (attention_name(query), inputs - 1, query.item);
            bail!("--attention {at}: expected an input from 0 to {last}, found {found}");
        }
        let mut hidden_states = args.hidden_states.clone();
        hidden_states.sort_unstable();
        hidden_states.dedup();
        Ok(Self {
            hidden_states: vec![Vec::new(); hidden_states.len()],
            options: EncodeOptions {
                last_hidden_state: args.last_hidden_state,
                hidden_states,
                attention,
                cancel: Some(interrupt::token()),
            },
            ..Self::default()
        })
    }

    /// Appends the embeddings of the next batch.
    pub(super) fn append(&mut self, embeddings: Vec<f32>) {
        append(&mut self.embeddings, embeddings);
    }

    /// Encodes the next batch and appends all its outputs.
    pub(super) fn encode_extra(
        &mut self,
        encoder: &VisionEncoder,
        patches: &Patches,
    ) -> Result<(), Error> {
        let (options, queries) = self.options_of_batch(patches.spans().len());
        let output = encoder.encode_with(patches, &options)?;
        append(&mut self.embeddings, output.embeddings.into_values()?);
        if let Some(rows) = output.last_hidden_state {
            append(&mut self.last_hidden_state, values(rows)?);
        }
        for (all, items) in self.hidden_states.iter_mut().zip(output.hidden_states) {
            for item in items {
                append(all, values(item)?);
            }
        }
        for (query, map) in queries.into_iter().zip(output.attention) {
            self.attention.push((query, map.dims(), values(map)?));
        }
        Ok(())
    }

    /// The options for a batch of the next `count` inputs, and the attention queries in it. In the options, a query counts
    /// its item in the batch.
    fn options_of_batch(&mut self, count: usize) -> (EncodeOptions, Vec<AttentionQuery>) {
        let first = self.items;
        self.items += count;
        let mut queries = self.options.attention.clone();
        queries.retain(|query| (first..self.items).contains(&query.item));
        let in_batch = |query: &AttentionQuery| AttentionQuery {
            item: query.item - first,
            ..*query
        };
        let options = EncodeOptions {
            attention: queries.iter().map(in_batch).collect(),
            ..self.options.clone()
        };
        (options, queries)
    }

    /// All embeddings, [tokens, out_hidden_size].
    pub(super) fn embeddings(&self, config: &VisionConfig) -> Result<ArrayView2<'_, f32>> {
        let width = config.out_hidden_size;
        let shape = (self.embeddings.len() / width, width);
        Ok(ArrayView2::from_shape(shape, &self.embeddings)?)
    }

    /// The extra outputs, with their names in the file.
    pub(super) fn extra(&self, config: &VisionConfig) -> Vec<(String, Tensor<'_>)> {
        let rows = |values, width| Tensor::f32(&[<[f32]>::len(values) / width, width], values);
        let mut tensors = Vec::new();
        if self.options.last_hidden_state {
            let tensor = rows(&self.last_hidden_state, config.out_hidden_size);
            tensors.push(("last_hidden_state".to_owned(), tensor));
        }
        let blocks = self.options.hidden_states.iter().zip(&self.hidden_states);
        tensors.extend(blocks.map(|(block, values)| {
            let name = format!("hidden_states.{block}");
            (name, rows(values, config.hidden_size))
        }));
        tensors.extend(self.attention.iter().map(|(query, shape, values)| {
            let name = format!("attention.{}", attention_name(query));
            (name, Tensor::f32(shape, values))
        }));
        tensors
    }
}

/// Appends values. The first ones are moved, not copied.
fn append(all: &mut Vec<f32>, values: Vec<f32>) {
    match all.is_empty() {
        true => *all = values,
        false => all.extend(values),
    }
}
