//! Attention without a matrix of scores.
//!
//! Everything is transposed: keys are the rows of a tile and queries its columns. Scores then come out as the panel that
//! the second product reads, and the softmax over keys runs down the columns, a vector of queries at a time.

mod keys;
mod queries;

use rayon::prelude::*;

use self::keys::{Keys, Pair};
use self::queries::Queries;
use crate::Precision;
use crate::element::Element;
use crate::isa::Isa;
use crate::parts::Parts;
use crate::tile::{COLUMNS, Kernel};

/// Panels of 32 queries that a task has at most: they share what is read of keys and values.
const TASK_PANELS: usize = 4;
/// Tasks a thread that make up for cores being unequally busy.
const TASKS_PER_THREAD: usize = 8;

/// The heads' values in rows: head `h` of row `r` is `values[r · stride + h · head_dim..][..head_dim]`.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a, X> {
    /// From the first row's first head on
    pub values: &'a [X],
    /// From one row to the next
    pub stride: usize,
}

impl<'a, X> Heads<'a, X> {
    fn row(self, row: usize, head: usize, head_dim: usize) -> &'a [X] {
        &self.values[row * self.stride + head * head_dim..][..head_dim]
    }
}

/// Multi-head attention, full within a segment and never across, scaled by 1/√head_dim.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// How many heads there are
    pub heads: usize,
    /// Values of one head
    pub head_dim: usize,
    /// What both products are computed in; the softmax is f32. Where the processor does not multiply bf16 fast, both are
    /// f32
    pub precision: Precision,
}

impl Attention {
    /// Attends over rows that hold queries, keys and values side by side, in this order.
    ///
    /// # Shapes
    /// - qkv: `[rows, 3·heads·head_dim]`
    /// - segments: lengths that add up to the rows
    /// - out: `[rows, heads·head_dim]`
    ///
    /// # Panics
    /// If the lengths are not these.
    pub fn packed<X: Element, Y: Element>(&self, qkv: &[X], segments: &[usize], out: &mut [Y]) {
        let hidden = self.heads * self.head_dim;
        let rows: usize = segments.iter().sum();
        assert_eq!(
            qkv.len(),
            rows * 3 * hidden,
            "qkv of {} values is not [{rows}, 3·{hidden}]",
            qkv.len()
        );
        let part = |index: usize| Heads {
            values: &qkv[(index * hidden).min(qkv.len())..],
            stride: 3 * hidden,
        };
        self.split([part(0), part(1), part(2)], segments, out);
    }

    /// Attends over queries, keys and values wherever they are.
    ///
    /// # Shapes
    /// - query, key, value: `[rows, heads, head_dim]`, each with a stride of its own
    /// - segments: lengths that add up to the rows
    /// - out: `[rows, heads·head_dim]`
    ///
    /// # Panics
    /// If the lengths are not these.
    pub fn split<X: Element, Y: Element>(
        &self,
        query_key_value: [Heads<'_, X>; 3],
        segments: &[usize],
        out: &mut [Y],
    ) {
        let kernel = Kernel::for_values(self.precision, Isa::detected());
        self.for_kernel(kernel, query_key_value, segments, out);
    }

    fn for_kernel<X: Element, Y: Element>(
        &self,
        kernel: Kernel,
        query_key_value: [Heads<'_, X>; 3],
        segments: &[usize],
        out: &mut [Y],
    ) {
        let hidden = self.heads * self.head_dim;
        let rows: usize = segments.iter().sum();
        assert_eq!(
            out.len(),
            rows * hidden,
            "an output of {} values is not [{rows}, {hidden}]",
            out.len()
        );
        for Heads { values, stride } in query_key_value {
            let needed = rows.checked_sub(1).map_or(0, |last| last * stride + hidden);
            let values = values.len();
            assert!(
                values >= needed,
                "{values} values are not {rows} rows of {hidden}, {stride} apart"
            );
        }
        if hidden == 0 {
            return;
        }
        let out = &Parts::new(out);
        let pairs = self.pairs(segments);
        let mut rest = pairs.as_slice();
        while !rest.is_empty() {
            let (group, after) = rest.split_at(keys::group(&kernel, self.head_dim, rest));
            rest = after;
            Keys::with(kernel, self.head_dim, query_key_value, group, |keys| {
                self.attend(query_key_value[0], keys, group, out);
            });
        }
    }

    /// Most bytes of keys and values that are packed at a time.
    #[must_use]
    pub fn packed_bytes(&self, segments: &[usize]) -> u64 {
        let kernel = Kernel::for_values(self.precision, Isa::detected());
        let pairs = self.pairs(segments);
        let mut rest = pairs.as_slice();
        let mut most = 0;
        while !rest.is_empty() {
            let (group, after) = rest.split_at(keys::group(&kernel, self.head_dim, rest));
            rest = after;
            most = most.max(keys::group_words(&kernel, self.head_dim, group));
        }
        4 * most as u64
    }

    /// Every head of every segment.
    fn pairs(&self, segments: &[usize]) -> Vec<Pair> {
        let mut first = 0;
        let mut pairs = Vec::with_capacity(segments.len() * self.heads);
        for &length in segments {
            let rows = first..first + length;
            first = rows.end;
            pairs.extend((0..self.heads).map(|head| Pair {
                rows: rows.clone(),
                head,
            }));
        }
        pairs
    }

    fn attend<X: Element, Y: Element>(
        &self,
        query: Heads<'_, X>,
        keys: &Keys<'_>,
        pairs: &[Pair],
        out: &Parts<'_, Y>,
    ) {
        let panels = |pair: &Pair| pair.rows.len().div_ceil(COLUMNS);
        let all: usize = pairs.iter().map(panels).sum();
        let wanted = TASKS_PER_THREAD * rayon::current_num_threads();
        let task_rows = (all / wanted).clamp(1, TASK_PANELS) * COLUMNS;
        let tasks: Vec<_> = pairs
            .iter()
            .enumerate()
            .flat_map(|(index, pair)| {
                let firsts = pair.rows.clone().step_by(task_rows);
                firsts.map(move |first| (index, first..pair.rows.end.min(first + task_rows)))
            })
            .collect();
        tasks.into_par_iter().for_each(|(index, rows)| {
            let head = pairs[index].head;
            let lanes = rows
                .clone()
                .map(|row| query.row(row, head, self.head_dim))
                .collect::<Vec<_>>();
            Queries::with(&keys.kernel, self.head_dim, &lanes, |queries| {
                for block in keys.blocks(index) {
                    queries.attend(&block);
                }
                let hidden = self.heads * self.head_dim;
                queries.finish(out, rows.start * hidden + head * self.head_dim, hidden);
            });
        });
    }
}

#[cfg(test)]
mod tests;
