use anyhow::{Result, bail};
use glm4v::{
    AttentionQuery, Details, Error, ParallelEncoder, Patches, VisionConfig, Wanted, values,
};
use ndarray::ArrayView2;

use crate::args::MoreArgs;
use crate::forecast::Kept;
use crate::output::Tensor;
use crate::values::AttentionAt;

/// What the tower has given so far, batch after batch.
pub(super) struct Collected {
    wanted: Wanted,
    wants_last_hidden_state: bool,
    items: usize,
    embeddings: Vec<f32>,
    last_hidden_state: Vec<f32>,
    /// By block, in the order of [`Wanted::hidden_states`].
    hidden_states: Vec<Vec<f32>>,
    attention: Vec<Attention>,
}

struct Attention {
    query: AttentionQuery,
    shape: [usize; 3],
    values: Vec<f32>,
}

impl Collected {
    /// Nothing yet, of `inputs` inputs.
    pub(super) fn new(args: &MoreArgs, inputs: usize) -> Result<Self> {
        let attention = args.attention.iter().map(|at| at.0);
        if let Some(query) = attention.clone().find(|query| query.item >= inputs) {
            let last = inputs - 1;
            let at = AttentionAt(query);
            bail!(
                "--attention {at}: expected an input from 0 to {last}, found {}",
                query.item
            );
        }
        let mut hidden_states = args.hidden_states.clone();
        hidden_states.sort_unstable();
        hidden_states.dedup();
        Ok(Self {
            hidden_states: vec![Vec::new(); hidden_states.len()],
            wanted: Wanted {
                hidden_states,
                attention: attention.collect(),
            },
            wants_last_hidden_state: args.last_hidden_state,
            items: 0,
            embeddings: Vec::new(),
            last_hidden_state: Vec::new(),
            attention: Vec::new(),
        })
    }

    /// Whether more than embeddings is wanted.
    pub(super) fn wants_more(&self) -> bool {
        self.wants_last_hidden_state || self.wanted != Wanted::default()
    }

    /// What is kept of each patch and token beside the embeddings.
    pub(super) fn kept(&self, config: &VisionConfig) -> Kept {
        let bytes = |tensors: usize, width: usize| (tensors * width * size_of::<f32>()) as u64;
        Kept {
            patch: bytes(self.wanted.hidden_states.len(), config.hidden_size),
            token: bytes(usize::from(self.wants_more()), config.out_hidden_size),
        }
    }

    /// Adds what `encoder` gives for the next batch.
    pub(super) fn encode(
        &mut self,
        encoder: &ParallelEncoder,
        patches: &Patches,
    ) -> Result<(), Error> {
        if !self.wants_more() {
            append(&mut self.embeddings, encoder.encode_values(patches)?);
            return Ok(());
        }
        let items = self.items..self.items + patches.grids().len();
        self.items = items.end;
        let queries = self.wanted.attention.iter();
        let queries: Vec<AttentionQuery> = queries
            .filter(|query| items.contains(&query.item))
            .copied()
            .collect();
        let here = |query: &AttentionQuery| AttentionQuery {
            item: query.item - items.start,
            ..*query
        };
        let wanted = Wanted {
            hidden_states: self.wanted.hidden_states.clone(),
            attention: queries.iter().map(here).collect(),
        };
        let Details {
            embeddings,
            last_hidden_state,
            hidden_states,
            attention,
        } = encoder.encoders()[0].encode_with(patches, &wanted)?;
        append(&mut self.embeddings, embeddings.into_values()?);
        if self.wants_last_hidden_state {
            append(&mut self.last_hidden_state, values(last_hidden_state)?);
        }
        for (all, items) in self.hidden_states.iter_mut().zip(hidden_states) {
            for item in items {
                all.extend(values(item)?);
            }
        }
        for (query, map) in queries.into_iter().zip(attention) {
            self.attention.push(Attention {
                query,
                shape: map.dims(),
                values: values(map)?,
            });
        }
        Ok(())
    }

    /// The embeddings of all batches.
    pub(super) fn values(&self) -> &[f32] {
        &self.embeddings
    }

    /// The same as [tokens, out_hidden_size].
    pub(super) fn embeddings(&self, width: usize) -> Result<ArrayView2<'_, f32>> {
        let rows = self.embeddings.len() / width;
        Ok(ArrayView2::from_shape((rows, width), &self.embeddings)?)
    }

    /// What was wanted beside them, by the names in a file.
    pub(super) fn more(&self, config: &VisionConfig) -> Vec<(String, Tensor<'_>)> {
        let rows = |values, width| {
            let rows = <[f32]>::len(values) / width;
            Tensor::f32(&[rows, width], values)
        };
        let mut tensors = Vec::new();
        if self.wants_last_hidden_state {
            let tensor = rows(&self.last_hidden_state, config.out_hidden_size);
            tensors.push(("last_hidden_state".to_owned(), tensor));
        }
        let blocks = self.wanted.hidden_states.iter().zip(&self.hidden_states);
        tensors.extend(blocks.map(|(block, values)| {
            (
                format!("hidden_states.{block}"),
                rows(values, config.hidden_size),
            )
        }));
        tensors.extend(self.attention.iter().map(|attention| {
            let at = AttentionAt(attention.query);
            (
                format!("attention.{at}"),
                Tensor::f32(&attention.shape, &attention.values),
            )
        }));
        tensors
    }
}

/// Adds values to those that there are; where there are none, without a copy.
fn append(all: &mut Vec<f32>, values: Vec<f32>) {
    match all.is_empty() {
        true => *all = values,
        false => all.extend(values),
    }
}
