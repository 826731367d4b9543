//! Keys and values, packed once for all queries.

use std::fmt;
use std::ops::Range;

use rayon::prelude::*;

use super::queries::Queries;
use super::{Attention, Heads};
use crate::buffer::Words;
use crate::element::Element;
use crate::pack::Columns;
use crate::parts::Parts;
use crate::tile::{COLUMNS, Kernel};

/// Keys of a block: whole panels of every kernel, whose scores for 32 queries fit the first-level cache.
pub(super) const BLOCK: usize = 192;
/// Panels of 32 queries that a task has at most: they share what is read of keys and values.
const TASK_PANELS: usize = 4;
/// Tasks a thread that make up for cores being unequally busy.
const TASKS_PER_THREAD: usize = 8;

/// The keys and values of all segments, as the queries read them. Rows come and go some at a time, so that nobody has to
/// hold all of them unpacked.
pub struct Keys {
    kernel: Kernel,
    attention: Attention,
    /// Rows and blocks of each segment
    segments: Vec<(Range<usize>, Range<usize>)>,
    blocks: Vec<Block>,
    words: Words,
}

/// Up to [`BLOCK`] rows of one segment: head after head, the keys as `[key panel][step][key]`, then the values as
/// `[panel][step][value]`.
struct Block {
    rows: Range<usize>,
    /// Its first word
    start: usize,
}

/// Keys and values of one head in a block.
pub(super) struct HeadBlock<'a> {
    pub(super) length: usize,
    pub(super) keys: &'a [u32],
    pub(super) values: &'a [u32],
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

    /// Bytes that the keys and values of `segments` take.
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

    /// All rows in parts of at most `most` that [`Keys::pack`] takes, but for parts of a single block, which may have 192.
    #[must_use]
    pub fn parts(&self, most: usize) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        for block in &self.blocks {
            match parts.last_mut() {
                Some(part) if block.rows.end - part.start <= most => part.end = block.rows.end,
                _ => parts.push(block.rows.clone()),
            }
        }
        parts
    }

    /// Takes in the keys and values of `rows`, in place of what was there.
    ///
    /// # Shapes
    /// - key, value: `[rows, heads, head_dim]`, each with a stride of its own
    ///
    /// # Panics
    /// If the rows are not one or several of [`Keys::parts`], or the values not theirs.
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
        let mut parts = Vec::with_capacity(blocks.len() * heads);
        for block in blocks {
            let own_rows = block.rows.start - rows.start..block.rows.end - rows.start;
            for head in 0..heads {
                let words;
                (words, rest) = rest.split_at_mut(head_words(&kernel, head_dim, own_rows.len()));
                parts.push((own_rows.clone(), head, words));
            }
        }
        parts.into_par_iter().for_each(|(rows, head, words)| {
            let (keys, values) = words.split_at_mut(key_words(&kernel, head_dim, rows.len()));
            pack_keys(&kernel, head_dim, key, rows.clone(), head, keys);
            pack_values(&kernel, head_dim, value, rows, head, values);
        });
    }

    /// Each of `rows` attends to its segment, whose keys and values are all there.
    ///
    /// # Shapes
    /// - query: `[rows, heads, head_dim]`
    /// - out: `[rows, heads·head_dim]`
    ///
    /// # Panics
    /// If the lengths are not these, or there are no such rows.
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
        let out = &Parts::new(out);
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

    /// Segment, head and queries of each task.
    fn tasks(&self, rows: &Range<usize>) -> Vec<(usize, usize, Range<usize>)> {
        let heads = self.attention.heads;
        let first = self
            .segments
            .partition_point(|(segment, _)| segment.end <= rows.start);
        let parts = self.segments.iter().enumerate().skip(first);
        let parts: Vec<(usize, Range<usize>)> = parts
            .map(|(index, (segment, _))| {
                (
                    index,
                    segment.start.max(rows.start)..segment.end.min(rows.end),
                )
            })
            .take_while(|(_, part)| part.start < rows.end)
            .filter(|(_, part)| !part.is_empty())
            .collect();
        let panels = parts
            .iter()
            .map(|(_, part)| heads * part.len().div_ceil(COLUMNS));
        let wanted = TASKS_PER_THREAD * rayon::current_num_threads();
        let task_rows = (panels.sum::<usize>() / wanted).clamp(1, TASK_PANELS) * COLUMNS;
        let mut tasks = Vec::new();
        for (index, part) in parts {
            for head in 0..heads {
                let firsts = part.clone().step_by(task_rows);
                tasks.extend(
                    firsts.map(|first| (index, head, first..part.end.min(first + task_rows))),
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

/// Those of `blocks` that `rows` are.
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
        kernel.pack_rows(row, panel);
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
