//! Keys and values, packed once for all queries.

use std::ops::Range;

use rayon::prelude::*;

use super::Heads;
use crate::buffer::with_words;
use crate::element::Element;
use crate::pack::Columns;
use crate::tile::Kernel;

/// Keys of a block: whole panels of every kernel, whose scores for 32 queries fit the first-level cache.
pub(super) const BLOCK: usize = 192;
/// Words of keys and values that are packed at a time (64 MiB), but for at least one pair.
const GROUP_WORDS: usize = 16 << 20;

/// One head of one segment.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) rows: Range<usize>,
    pub(super) head: usize,
}

/// Of each pair, block after block: the keys as `[key panel][step][key]`, then the values as `[panel][step][value]`.
pub(super) struct Keys<'a> {
    pub(super) kernel: Kernel,
    head_dim: usize,
    /// Rows and words of each pair
    pairs: Vec<(usize, Range<usize>)>,
    words: &'a [u32],
}

/// Up to [`BLOCK`] keys and their values.
pub(super) struct Block<'a> {
    pub(super) length: usize,
    pub(super) keys: &'a [u32],
    pub(super) values: &'a [u32],
}

/// How many of the next pairs are packed together.
pub(super) fn group(kernel: &Kernel, head_dim: usize, pairs: &[Pair]) -> usize {
    let mut words = 0;
    let fit = pairs.iter().take_while(|pair| {
        words += pair_words(kernel, head_dim, pair.rows.len());
        words <= GROUP_WORDS
    });
    fit.count().max(1)
}

/// Words that pairs packed together take.
pub(super) fn group_words(kernel: &Kernel, head_dim: usize, pairs: &[Pair]) -> usize {
    let words = |pair: &Pair| pair_words(kernel, head_dim, pair.rows.len());
    pairs.iter().map(words).sum()
}

impl<'a> Keys<'a> {
    pub(super) fn with<X: Element>(
        kernel: Kernel,
        head_dim: usize,
        [_, key, value]: [Heads<'_, X>; 3],
        pairs: &[Pair],
        use_keys: impl FnOnce(&Keys<'_>),
    ) {
        let mut ranges = Vec::with_capacity(pairs.len());
        let mut end = 0;
        for pair in pairs {
            let start = end;
            end += pair_words(&kernel, head_dim, pair.rows.len());
            ranges.push((pair.rows.len(), start..end));
        }
        with_words(end, |words| {
            let mut blocks = Vec::new();
            let mut rest = words.as_mut_slice();
            for pair in pairs {
                for first in pair.rows.clone().step_by(BLOCK) {
                    let rows = first..pair.rows.end.min(first + BLOCK);
                    let block;
                    (block, rest) = rest.split_at_mut(block_words(&kernel, head_dim, rows.len()));
                    blocks.push((rows, pair.head, block));
                }
            }
            blocks.into_par_iter().for_each(|(rows, head, words)| {
                let (keys, values) = words.split_at_mut(key_words(&kernel, head_dim, rows.len()));
                pack_keys(&kernel, head_dim, key, rows.clone(), head, keys);
                pack_values(&kernel, head_dim, value, rows, head, values);
            });
            use_keys(&Keys {
                kernel,
                head_dim,
                pairs: ranges,
                words: words.as_slice(),
            });
        });
    }

    pub(super) fn blocks(&self, pair: usize) -> impl Iterator<Item = Block<'_>> {
        let (rows, range) = &self.pairs[pair];
        let mut rest = &self.words[range.clone()];
        (0..*rows).step_by(BLOCK).map(move |first| {
            let length = BLOCK.min(rows - first);
            let (keys, after) = rest.split_at(key_words(&self.kernel, self.head_dim, length));
            let (values, after) = after.split_at(value_words(&self.kernel, self.head_dim, length));
            rest = after;
            Block {
                length,
                keys,
                values,
            }
        })
    }
}

fn pair_words(kernel: &Kernel, head_dim: usize, length: usize) -> usize {
    let last = block_words(kernel, head_dim, length % BLOCK);
    length / BLOCK * block_words(kernel, head_dim, BLOCK) + last
}

fn block_words(kernel: &Kernel, head_dim: usize, length: usize) -> usize {
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
