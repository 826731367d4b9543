//! Queries on their way through the keys, with a running softmax.

use super::keys::{BLOCK, HeadBlock};
use crate::buffer::with_words;
use crate::element::Element;
use crate::isa::{Isa, Job, mul_add};
use crate::math::exp;
use crate::pack::{self, pair};
use crate::parts::Parts;
use crate::tile::{COLUMNS, Format, Kernel, ROWS, TILE};

/// Some panels of 32 queries.
pub(super) struct Queries<'a> {
    isa: Isa,
    kernel: Kernel,
    head_dim: usize,
    /// Queries that there are; the last panel may have empty lanes
    count: usize,
    /// Panels of queries
    words: &'a [u32],
    /// Of each panel the sums of values, `[head_dim][query]`
    sums: &'a mut [f32],
    /// Scores of one block, then their exponentials: `[key][query]`
    scores: &'a mut [f32],
    softmax: Vec<Softmax>,
}

/// The largest score so far, and the sum of exponentials less it, of 32 queries.
#[derive(Clone)]
struct Softmax {
    largest: [f32; COLUMNS],
    sum: [f32; COLUMNS],
}

impl Queries<'_> {
    pub(super) fn with<X: Element>(
        isa: Isa,
        kernel: Kernel,
        head_dim: usize,
        rows: &[&[X]],
        use_queries: impl FnOnce(&mut Queries<'_>),
    ) {
        let format = kernel.right();
        let panels = rows.len().div_ceil(COLUMNS);
        let panel_words = COLUMNS * format.words(head_dim);
        let sums = COLUMNS * head_dim.next_multiple_of(ROWS);
        with_words(panels * panel_words, |query| {
            let query = query.as_mut_slice();
            for (rows, panel) in rows
                .chunks(COLUMNS)
                .zip(query.chunks_exact_mut(panel_words))
            {
                let lane = |lane| rows.get(lane).copied().unwrap_or_default();
                isa.run(pack::Rows::<X, COLUMNS> {
                    rows: std::array::from_fn(lane),
                    format,
                    panel,
                });
            }
            with_words(panels * sums + BLOCK * COLUMNS, |floats| {
                let (sums, scores) = floats.as_mut_f32().split_at_mut(panels * sums);
                sums.fill(0.0);
                let none = Softmax {
                    largest: [f32::NEG_INFINITY; COLUMNS],
                    sum: [0.0; COLUMNS],
                };
                use_queries(&mut Queries {
                    isa,
                    kernel,
                    head_dim,
                    count: rows.len(),
                    words: query,
                    sums,
                    scores,
                    softmax: vec![none; panels],
                });
            });
        });
    }

    /// Takes in a block of keys and values.
    pub(super) fn attend(&mut self, block: &HeadBlock<'_>) {
        let (left, right) = (self.kernel.left(), self.kernel.right());
        let query_words = COLUMNS * right.words(self.head_dim);
        let key_words = ROWS * left.words(self.head_dim);
        let value_words = ROWS * left.words(block.length);
        let sums = COLUMNS * self.head_dim.next_multiple_of(ROWS);
        let panels = self
            .words
            .chunks_exact(query_words)
            .zip(self.sums.chunks_exact_mut(sums))
            .zip(&mut self.softmax);
        for ((query, sums), softmax) in panels {
            let (tiles, _) = self.scores.as_chunks_mut::<TILE>();
            for (keys, tile) in block.keys.chunks_exact(key_words).zip(tiles) {
                self.kernel.multiply(keys, query, tile, false);
            }
            let (scores, _) = self.scores.as_chunks_mut::<COLUMNS>();
            self.isa.run(Exponentials {
                scores: &mut scores[..block.length],
                scale: (self.head_dim as f32).sqrt().recip(),
                softmax,
                sums,
                kernel: self.kernel,
            });
            let words: &[u32] = bytemuck::cast_slice(self.scores);
            let words = &words[..COLUMNS * right.words(block.length)];
            let (tiles, _) = sums.as_chunks_mut::<TILE>();
            for (values, tile) in block.values.chunks_exact(value_words).zip(tiles) {
                self.kernel.multiply(values, words, tile, true);
            }
        }
    }

    /// Writes query `i`'s output from `first + i · stride` on.
    pub(super) fn finish<Y: Element>(&mut self, out: &Parts<'_, Y>, first: usize, stride: usize) {
        self.isa.run(Finish {
            queries: self,
            out,
            first,
            stride,
        });
    }
}

/// From scores to exponentials, in place, as the right panel of the product with values.
struct Exponentials<'a> {
    scores: &'a mut [[f32; COLUMNS]],
    scale: f32,
    softmax: &'a mut Softmax,
    sums: &'a mut [f32],
    kernel: Kernel,
}

impl Job for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        // Sums in variables of their own, which the compiler knows to overlap with nothing, stay in registers.
        let before = self.softmax.largest;
        let largest = largest(before, self.scores, self.scale);
        let mut sum = self.softmax.sum;
        if before != largest {
            let mut shrink = [0.0; COLUMNS];
            for lane in 0..COLUMNS {
                shrink[lane] = exp::<FUSED>(before[lane] - largest[lane]);
                sum[lane] *= shrink[lane];
            }
            for tile in self.sums.as_chunks_mut::<TILE>().0 {
                self.kernel.scale(tile, &shrink);
            }
        }
        let exponentials = |scores: &[f32; COLUMNS], sum: &mut [f32; COLUMNS]| {
            let mut values = [0.0; COLUMNS];
            for (lane, value) in values.iter_mut().enumerate() {
                let score = mul_add::<FUSED>(scores[lane], self.scale, -largest[lane]);
                *value = exp::<FUSED>(score);
                sum[lane] += *value;
            }
            values
        };
        if self.kernel.right() == Format::F32 {
            for scores in self.scores {
                *scores = exponentials(scores, &mut sum);
            }
        } else {
            for step in 0..self.scores.len().div_ceil(2) {
                let first = exponentials(&self.scores[2 * step], &mut sum);
                let second = match self.scores.get(2 * step + 1) {
                    Some(scores) => exponentials(scores, &mut sum),
                    None => [0.0; COLUMNS],
                };
                for (lane, word) in self.scores[step].iter_mut().enumerate() {
                    let bits = pair(first[lane], second[lane]);
                    *word = f32::from_bits(bits);
                }
            }
        }
        *self.softmax = Softmax { largest, sum };
    }
}

#[inline(always)]
fn largest(mut largest: [f32; COLUMNS], scores: &[[f32; COLUMNS]], scale: f32) -> [f32; COLUMNS] {
    for scores in scores {
        for (largest, score) in largest.iter_mut().zip(scores) {
            let score = score * scale;
            *largest = if score > *largest { score } else { *largest };
        }
    }
    largest
}

struct Finish<'a, 'b, Y> {
    queries: &'a Queries<'b>,
    out: &'a Parts<'a, Y>,
    first: usize,
    stride: usize,
}

impl<Y: Element> Job for Finish<'_, '_, Y> {
    type Output = ();

    #[allow(unsafe_code)]
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Queries {
            head_dim, count, ..
        } = *self.queries;
        let sums = COLUMNS * head_dim.next_multiple_of(ROWS);
        for query in 0..count {
            let (panel, lane) = (query / COLUMNS, query % COLUMNS);
            let sums = &self.queries.sums[panel * sums..][..COLUMNS * head_dim];
            let scale = self.queries.softmax[panel].sum[lane].recip();
            let start = self.first + query * self.stride;
            // SAFETY: a task has its head of its rows to itself.
            let out = unsafe { self.out.part(start..start + head_dim) };
            for (out, sums) in out.iter_mut().zip(sums.as_chunks::<COLUMNS>().0) {
                *out = Y::from_f32(sums[lane] * scale);
            }
        }
    }
}
