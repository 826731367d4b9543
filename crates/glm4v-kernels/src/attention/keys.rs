//! Keys and values, packed once for all queries.

use std::fmt;
use std::ops::Range;

use rayon::prelude::*;

use super::queries::Queries;
use super::{Attention, BLOCK, HeadBlock, Heads};
use crate::buffer::Words;
use crate::disjoint::DisjointSlices;
use crate::element::Element;
use crate::pack::Columns;
use crate::tile::{COLUMNS, Kernel};

/// Panels of 32 queries of a task, at most. They share the keys and values that the task reads.
const TASK_PANELS: usize = 4;
/// Tasks per thread. Several even out the load of unequally busy cores.
const TASKS_PER_THREAD: usize = 8;

/// The packed keys and values of all segments. They are added in row blocks, so that they never exist unpacked for all rows.
pub struct Keys {
    kernel: Kernel,
    attention: Attention,
    /// The rows and the blocks of each segment
    segments: Vec<(Range<usize>, Range<usize>)>,
    blocks: Vec<Block>,
    words: Words,
}

/// Up to [`BLOCK`] rows of one segment. For each head it has the keys as `[key panel][step][key]`, then the values as
/// `[panel][step][value]`.
struct Block {
    rows: Range<usize>,
    /// The block's first word
    start: usize,
}

impl Keys {
    pub(super) fn new(kernel: Kernel, attention: Attention, lengths: &[usize]) -> Self {
        let mut blocks = Vec::new();
        let mut segments = Vec::with_capacity(lengths.len());
        let (mut end, mut words) = (0, 0);
        for length in lengths {
            let (rows, first) = (end..end + length, blocks.len());
            end = rows.end;
            for start in rows.clone().step_by(BLOCK) {
                let block = start..rows.end.min(start + BLOCK);
                let of_block =
                    attention.heads * head_words(&kernel, attention.head_dim, block.len());
                blocks.push(Block {
                    rows: block,
                    start: words,
                });
                words += of_block;
            }
            segments.push((rows, first..blocks.len()));
        }
        Self {
            kernel,
            attention,
            segments,
            blocks,
            words: Words::new(words),
        }
    }

    /// Bytes of the keys and values of segments of these lengths.
    pub(super) fn bytes(kernel: &Kernel, attention: &Attention, lengths: &[usize]) -> u64 {
        let words = |length: usize| head_words(kernel, attention.head_dim, length) as u64;
        let of_segment =
            |length: &usize| (length / BLOCK) as u64 * words(BLOCK) + words(length % BLOCK);
        4 * attention.heads as u64 * lengths.iter().map(of_segment).sum::<u64>()
    }

    #[cfg(test)]
    pub(super) fn num_bytes(&self) -> u64 {
        size_of_val(self.words.as_slice()) as u64
    }

    /// All rows in blocks of at most `max_rows`, for [`Keys::pack`]. A block has at least 192 rows or the rest of a segment.
    #[must_use]
    pub fn row_blocks(&self, max_rows: usize) -> Vec<Range<usize>> {
        let mut row_blocks: Vec<Range<usize>> = Vec::new();
        for block in &self.blocks {
            match row_blocks.last_mut() {
                Some(rows) if block.rows.end - rows.start <= max_rows => rows.end = block.rows.end,
                _ => row_blocks.push(block.rows.clone()),
            }
        }
        row_blocks
    }

    /// Packs the keys and values of `rows` and replaces those from before.
    ///
    /// # Shapes
    /// - key, value: `[rows, heads, head_dim]`, with separate strides
    ///
    /// # Panics
    /// If `rows` is not a union of [`Keys::row_blocks`], or the values are not those of `rows`.
    pub fn pack<X: Element>(&mut self, rows: Range<usize>, key: Heads<'_, X>, value: Heads<'_, X>) {
        self.attention.check(key, rows.len());
        self.attention.check(value, rows.len());
        let Attention {
            heads, head_dim, ..
        } = self.attention;
        let blocks = whole_blocks(&self.blocks, &rows);
        let Some(first) = blocks.first().filter(|_| heads * head_dim > 0) else {
            return;
        };
        let kernel = self.kernel;
        let mut rest = &mut self.words.as_mut_slice()[first.start..];
        let mut tasks = Vec::with_capacity(blocks.len() * heads);
        for block in blocks {
            let own_rows = block.rows.start - rows.start..block.rows.end - rows.start;
            for head in 0..heads {
                let words;
                (words, rest) = rest.split_at_mut(head_words(&kernel, head_dim, own_rows.len()));
                tasks.push((own_rows.clone(), head, words));
            }
        }
        tasks.into_par_iter().for_each(|(rows, head, words)| {
            let (keys, values) = words.split_at_mut(key_words(&kernel, head_dim, rows.len()));
            pack_keys(&kernel, head_dim, key, rows.clone(), head, keys);
            pack_values(&kernel, head_dim, value, rows, head, values);
        });
    }

    /// The attention of `rows`. The keys and values of their segments must be packed.
    ///
    /// # Shapes
    /// - query: `[rows, heads, head_dim]`
    /// - out: `[rows, heads·head_dim]`
    ///
    /// # Panics
    /// If the lengths differ, or there are no such rows.
    pub fn attend<X: Element, Y: Element>(
        &self,
        rows: Range<usize>,
        query: Heads<'_, X>,
        out: &mut [Y],
    ) {
        let Attention {
            heads, head_dim, ..
        } = self.attention;
        let hidden = heads * head_dim;
        self.attention.check(query, rows.len());
        let all = self.segments.last().map_or(0, |(rows, _)| rows.end);
        assert!(
            rows.end <= all && out.len() == rows.len() * hidden,
            "an output of {} values is not rows {rows:?} of {all} by {hidden}",
            out.len()
        );
        if hidden == 0 {
            return;
        }
        let out = &DisjointSlices::new(out);
        self.tasks(&rows)
            .into_par_iter()
            .for_each(|(segment, head, own)| {
                let first = own.start - rows.start;
                let lanes: Vec<_> = (first..own.end - rows.start)
                    .map(|row| query.row(row, head, head_dim))
                    .collect();
                Queries::with(&self.kernel, head_dim, &lanes, |queries| {
                    for block in self.head_blocks(segment, head) {
                        queries.attend(&block);
                    }
                    queries.finish(out, first * hidden + head * head_dim, hidden);
                });
            });
    }

    /// The segment, head and queries of each task.
    fn tasks(&self, rows: &Range<usize>) -> Vec<(usize, usize, Range<usize>)> {
        let heads = self.attention.heads;
        let first = self
            .segments
            .partition_point(|(segment, _)| segment.end <= rows.start);
        let segments = self.segments.iter().enumerate().skip(first);
        let queries: Vec<(usize, Range<usize>)> = segments
            .map(|(index, (segment, _))| {
                let queries = segment.start.max(rows.start)..segment.end.min(rows.end);
                (index, queries)
            })
            .take_while(|(_, queries)| queries.start < rows.end)
            .filter(|(_, queries)| !queries.is_empty())
            .collect();
        let panels = queries
            .iter()
            .map(|(_, queries)| heads * queries.len().div_ceil(COLUMNS));
        let num_tasks = TASKS_PER_THREAD * rayon::current_num_threads();
        let task_rows = (panels.sum::<usize>() / num_tasks).clamp(1, TASK_PANELS) * COLUMNS;
        let mut tasks = Vec::new();
        for (index, queries) in queries {
            for head in 0..heads {
                let firsts = queries.clone().step_by(task_rows);
                tasks.extend(
                    firsts.map(|first| (index, head, first..queries.end.min(first + task_rows))),
                );
            }
        }
        tasks
    }

    fn head_blocks(&self, segment: usize, head: usize) -> impl Iterator<Item = HeadBlock<'_>> {
        let Attention { head_dim, .. } = self.attention;
        let (_, blocks) = &self.segments[segment];
        self.blocks[blocks.clone()].iter().map(move |block| {
            let length = block.rows.len();
            let words = head_words(&self.kernel, head_dim, length);
            let words = &self.words.as_slice()[block.start + head * words..][..words];
            let (keys, values) = words.split_at(key_words(&self.kernel, head_dim, length));
            HeadBlock {
                length,
                keys,
                values,
            }
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Keys({:?}, {} segments)",
            self.attention,
            self.segments.len()
        )
    }
}

/// The blocks of `rows`.
fn whole_blocks<'a>(blocks: &'a [Block], rows: &Range<usize>) -> &'a [Block] {
    let index = |row| blocks.partition_point(|block| block.rows.start < row);
    let blocks = &blocks[index(rows.start)..index(rows.end)];
    let start = blocks.first().map(|block| block.rows.start);
    let end = blocks.last().map(|block| block.rows.end);
    assert!(
        rows.is_empty() || (start, end) == (Some(rows.start), Some(rows.end)),
        "rows {rows:?} are not whole blocks"
    );
    blocks
}

/// Words of one head of a block.
fn head_words(kernel: &Kernel, head_dim: usize, length: usize) -> usize {
    key_words(kernel, head_dim, length) + value_words(kernel, head_dim, length)
}

fn key_words(kernel: &Kernel, head_dim: usize, length: usize) -> usize {
    length.next_multiple_of(kernel.rows()) * kernel.left().words(head_dim)
}

fn value_words(kernel: &Kernel, head_dim: usize, length: usize) -> usize {
    head_dim.next_multiple_of(kernel.rows()) * kernel.left().words(length)
}

fn pack_keys<X: Element>(
    kernel: &Kernel,
    head_dim: usize,
    key: Heads<'_, X>,
    rows: Range<usize>,
    head: usize,
    words: &mut [u32],
) {
    let panels = words.chunks_exact_mut(key_words(kernel, head_dim, kernel.rows()));
    for (first, panel) in rows.clone().step_by(kernel.rows()).zip(panels) {
        let row = |lane: usize| match first + lane {
            row if row < rows.end => key.row(row, head, head_dim),
            _ => &[],
        };
        kernel.pack_rows(row, &[], panel);
    }
}

fn pack_values<X: Element>(
    kernel: &Kernel,
    head_dim: usize,
    value: Heads<'_, X>,
    rows: Range<usize>,
    head: usize,
    words: &mut [u32],
) {
    let panels = words.chunks_exact_mut(value_words(kernel, kernel.rows(), rows.len()));
    for (first, panel) in (0..head_dim).step_by(kernel.rows()).zip(panels) {
        let columns = Columns {
            values: &value.values[rows.start * value.stride + head * head_dim + first..],
            stride: value.stride,
            rows: rows.len(),
            width: kernel.rows().min(head_dim - first),
        };
        kernel.pack_columns(columns, panel);
    }
}
