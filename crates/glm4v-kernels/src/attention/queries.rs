//! Queries that read all keys of their segment, with a running softmax.

use super::{BLOCK, HeadBlock};
use crate::buffer::with_words;
use crate::disjoint::DisjointSlices;
use crate::element::Element;
use crate::format::Format;
use crate::isa::{Job, mul_add};
use crate::math::exp;
use crate::pack::{Order, RowPanel, interleave, pair};
use crate::tile::{COLUMNS, Kernel, Tile};

/// Some panels of 32 queries.
pub(super) struct Queries<'a> {
    kernel: &'a Kernel,
    head_dim: usize,
    /// Number of queries; the last panel may have empty lanes
    count: usize,
    /// Panels of queries
    words: &'a [u32],
    /// The sums of values of each panel, `[head_dim][query]`
    sums: &'a mut [f32],
    /// The scores of one block, then their exponentials: `[key][query]`
    scores: &'a mut [f32],
    softmax: Vec<Softmax>,
}

/// The largest score so far of 32 queries, and the sums of the exponentials of scores minus it.
#[derive(Clone)]
struct Softmax {
    largest: [f32; COLUMNS],
    sum: [f32; COLUMNS],
}

impl Queries<'_> {
    pub(super) fn with<X: Element>(
        kernel: &Kernel,
        head_dim: usize,
        rows: &[&[X]],
        use_queries: impl FnOnce(&mut Queries<'_>),
    ) {
        let format = kernel.right();
        let panels = rows.len().div_ceil(COLUMNS);
        let panel_words = COLUMNS * format.words(head_dim);
        let sums = COLUMNS * head_dim.next_multiple_of(kernel.rows());
        with_words(panels * panel_words, |query| {
            let query = query.as_mut_slice();
            for (rows, panel) in rows
                .chunks(COLUMNS)
                .zip(query.chunks_exact_mut(panel_words))
            {
                let lane = |lane| rows.get(lane).copied().unwrap_or_default();
                kernel.isa().run(RowPanel::<X, COLUMNS> {
                    rows: std::array::from_fn(lane),
                    format,
                    order: kernel.right_order(),
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

    /// Adds a block of keys and values.
    pub(super) fn attend(&mut self, block: &HeadBlock<'_>) {
        let kernel = self.kernel;
        let (left, right, rows) = (kernel.left(), kernel.right(), kernel.rows());
        let query_words = COLUMNS * right.words(self.head_dim);
        let key_words = rows * left.words(self.head_dim);
        let value_words = rows * left.words(block.length);
        let sums = COLUMNS * self.head_dim.next_multiple_of(rows);
        let multiplier = kernel.begin();
        let panels = self
            .words
            .chunks_exact(query_words)
            .zip(self.sums.chunks_exact_mut(sums))
            .zip(&mut self.softmax);
        for ((query, sums), softmax) in panels {
            let (scores, _) = self.scores.as_chunks_mut::<COLUMNS>();
            let (sums, _) = sums.as_chunks_mut::<COLUMNS>();
            let tiles = scores.chunks_exact_mut(rows);
            for (keys, tile) in block.keys.chunks_exact(key_words).zip(tiles) {
                multiplier.multiply(keys, query, tile, false);
            }
            kernel.isa().run(Exponentials {
                scores,
                length: block.length,
                scale: (self.head_dim as f32).sqrt().recip(),
                softmax,
                sums,
                kernel,
            });
            let words: &[u32] = bytemuck::cast_slice(scores);
            let tiles = sums.chunks_exact_mut(rows);
            for (values, tile) in block.values.chunks_exact(value_words).zip(tiles) {
                multiplier.multiply(values, words, tile, true);
            }
        }
    }

    /// Writes the output of query `i` from `first + i · stride` on.
    pub(super) fn finish<Y: Element>(
        &mut self,
        out: &DisjointSlices<'_, Y>,
        first: usize,
        stride: usize,
    ) {
        self.kernel.isa().run(Finish {
            queries: self,
            out,
            first,
            stride,
        });
    }
}

/// Replaces scores by exponentials, as the right panel of the product with values.
struct Exponentials<'a> {
    /// The scores of a whole block
    scores: &'a mut [[f32; COLUMNS]],
    /// Number of keys
    length: usize,
    scale: f32,
    softmax: &'a mut Softmax,
    sums: &'a mut Tile,
    kernel: &'a Kernel,
}

impl Job for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { scores, length, .. } = self;
        // Local copies stay in registers, since the compiler knows that nothing overlaps with them.
        let before = self.softmax.largest;
        let largest = largest(before, &scores[..length], self.scale);
        let mut sum = self.softmax.sum;
        if before != largest {
            let mut shrink = [0.0; COLUMNS];
            for lane in 0..COLUMNS {
                shrink[lane] = exp::<FUSED>(before[lane] - largest[lane]);
                sum[lane] *= shrink[lane];
            }
            self.kernel.scale(self.sums, &shrink);
        }
        let exponent = Exponent {
            scale: self.scale,
            largest,
        };
        match self.kernel.right() {
            Format::F32 => {
                for scores in &mut scores[..length] {
                    *scores = exponent.of_key::<FUSED>(scores, &mut sum);
                }
            }
            Format::Pairs => {
                let order = self.kernel.right_order();
                // Two steps replace the scores of two keys, after the scores of four keys have been read.
                let steps = 2 * length.div_ceil(4);
                for index in (0..steps).step_by(2) {
                    let keys = &scores[2 * index..length];
                    let first = exponent.of_two_keys::<FUSED>(keys, &mut sum);
                    let keys = keys.get(2..).unwrap_or_default();
                    let second = exponent.of_two_keys::<FUSED>(keys, &mut sum);
                    let place = scores[index..].first_chunk_mut();
                    let place = place.expect("blocks have whole pairs of steps");
                    match order {
                        Order::Lanes | Order::Steps => *place = [first, second],
                        Order::Quads => interleave([first, second], place),
                    }
                }
                // The values past the last key are zero, but zero times infinity is not.
                scores[steps..Format::Pairs.words(length)].fill([0.0; COLUMNS]);
            }
            Format::Bytes(_) => unreachable!("attention multiplies floating-point numbers"),
        }
        *self.softmax = Softmax { largest, sum };
    }
}

/// The exponentials of scaled scores minus the largest one of each query.
struct Exponent {
    scale: f32,
    largest: [f32; COLUMNS],
}

impl Exponent {
    /// The exponentials of one key. They are added to `sum`.
    #[inline(always)]
    fn of_key<const FUSED: bool>(
        &self,
        scores: &[f32; COLUMNS],
        sum: &mut [f32; COLUMNS],
    ) -> [f32; COLUMNS] {
        let mut values = [0.0; COLUMNS];
        for (lane, value) in values.iter_mut().enumerate() {
            let score = mul_add::<FUSED>(scores[lane], self.scale, -self.largest[lane]);
            *value = exp::<FUSED>(score);
            sum[lane] += *value;
        }
        values
    }

    /// The words of the first two keys. A key that does not exist is zero.
    #[inline(always)]
    fn of_two_keys<const FUSED: bool>(
        &self,
        keys: &[[f32; COLUMNS]],
        sum: &mut [f32; COLUMNS],
    ) -> [f32; COLUMNS] {
        let [mut first, mut second] = [[0.0; COLUMNS]; 2];
        if let Some(scores) = keys.first() {
            first = self.of_key::<FUSED>(scores, sum);
        }
        if let Some(scores) = keys.get(1) {
            second = self.of_key::<FUSED>(scores, sum);
        }
        let mut words = [0.0; COLUMNS];
        for (lane, word) in words.iter_mut().enumerate() {
            *word = f32::from_bits(pair(first[lane], second[lane]));
        }
        words
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
    out: &'a DisjointSlices<'a, Y>,
    first: usize,
    stride: usize,
}

impl<Y: Element> Job for Finish<'_, '_, Y> {
    type Output = ();

    #[allow(unsafe_code)]
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Queries {
            kernel,
            head_dim,
            count,
            ..
        } = *self.queries;
        let sums = COLUMNS * head_dim.next_multiple_of(kernel.rows());
        for query in 0..count {
            let (panel, lane) = (query / COLUMNS, query % COLUMNS);
            let sums = &self.queries.sums[panel * sums..][..COLUMNS * head_dim];
            let scale = self.queries.softmax[panel].sum[lane].recip();
            let start = self.first + query * self.stride;
            // SAFETY: no other task writes this head of these rows.
            let out = unsafe { self.out.slice(start..start + head_dim) };
            for (out, sums) in out.iter_mut().zip(sums.as_chunks::<COLUMNS>().0) {
                *out = Y::from_f32(sums[lane] * scale);
            }
        }
    }
}
