//! Attention on a device, in tiles: a backend may keep all scores of a call in memory.

use burn::tensor::{FloatDType, Tensor, activation, module};

use crate::layout::SegmentGroup;
use crate::{fused, join, product};

/// Bytes of scores of one call of attention, by default: 256 MiB.
pub(crate) const MAX_SCORE_BYTES: u64 = 256 << 20;
/// Queries of a tile, at least. Fewer are slow and save little memory.
pub(crate) const MIN_QUERIES: usize = 64;
/// Bytes of a score in the plan, which counts it as f32 whatever the tower's type.
pub(crate) const SCORE: u64 = 4;

/// How a device computes attention. The values differ only by rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttentionMethod {
    /// The backend's attention (`burn::tensor::module::attention`), fused if it has such a kernel. On GPUs without burn's
    /// `autotune` its softmax has the tower's type. With `autotune`, burn 0.22.1 gives wrong results on wgpu. See
    /// docs/parity.md.
    Backend,
    /// A product gives the scores, and a second one the outputs. The softmax is f32 whatever the tower's type. It is the same on
    /// every backend.
    #[default]
    Eager,
}

impl AttentionMethod {
    /// By what queries are multiplied before [`attention`] gets them.
    pub(crate) fn query_scale(self, head_dim: usize) -> f64 {
        match self {
            AttentionMethod::Backend => 1.0,
            AttentionMethod::Eager => query_scale(head_dim),
        }
    }
}

/// How attention handles its scores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scores {
    pub(crate) method: AttentionMethod,
    /// Bytes of scores in memory at once
    pub(crate) max_bytes: u64,
}

/// The share of a group that one call computes: whole segments, or some queries of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) segments: usize,
    pub(crate) queries: usize,
}

impl Tile {
    /// The largest tile of `group` with at most `max_score_bytes` of scores, each of `score` bytes. It has at least 64 queries of
    /// one segment.
    pub(crate) fn new(group: SegmentGroup, heads: usize, max_score_bytes: u64, score: u64) -> Self {
        let query = score * heads as u64 * group.length as u64;
        let whole = max_score_bytes / (query * group.length as u64).max(1);
        if whole > 0 {
            return Self {
                segments: group
                    .segments
                    .min(usize::try_from(whole).unwrap_or(usize::MAX)),
                queries: group.length,
            };
        }
        let queries = usize::try_from(max_score_bytes / query).unwrap_or(usize::MAX);
        let queries = (queries / MIN_QUERIES).max(1) * MIN_QUERIES;
        Self {
            segments: 1,
            queries: queries.min(group.length),
        }
    }
}

/// The attention of a group, tile by tile. Each query has its own row of scores, so no result depends on the tile.
///
/// # Shapes
/// - query: `[heads, segments, segment length, head_dim]`, multiplied by [`AttentionMethod::query_scale`]
/// - key, value, output: the same
pub(crate) fn attention(
    [query, key, value]: [Tensor<4>; 3],
    tile: Tile,
    method: AttentionMethod,
) -> Tensor<4> {
    let [_, segments, length, _] = query.dims();
    let attend = |query, key, value| match method {
        AttentionMethod::Backend => {
            module::attention(query, key, value, None, None, Default::default())
        }
        AttentionMethod::Eager => eager(query, key, value),
    };
    let mut outputs = Vec::new();
    for first in (0..segments).step_by(tile.segments) {
        let count = tile.segments.min(segments - first);
        let [query, key, value] = [&query, &key, &value].map(|x| x.clone().narrow(1, first, count));
        let mut rows = Vec::new();
        for first in (0..length).step_by(tile.queries) {
            let count = tile.queries.min(length - first);
            let query = query.clone().narrow(2, first, count);
            rows.push(attend(query, key.clone(), value.clone()));
        }
        outputs.push(join(rows, 2));
    }
    join(outputs, 1)
}

/// softmax(query · keyᵀ / √head_dim) · value. Products have the type of the tensors; the softmax is f32.
fn eager(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
    let dtype = value.dtype();
    let (scores, scale) = scores(query, key);
    let weights =
        fused::softmax(&scores, scale).unwrap_or_else(|| softmax(scores, scale).cast(dtype));
    product::matmul(weights, value)
}

/// softmax(query · keyᵀ / √head_dim), in f32.
///
/// # Shapes
/// - query: `[heads, segments, queries, head_dim]`, multiplied by [`query_scale`]
/// - key: `[heads, segments, segment length, head_dim]`
/// - output: `[heads, segments, queries, segment length]`
pub(crate) fn weights(query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
    let (scores, scale) = scores(query, key);
    softmax(scores, scale)
}

/// The part of 1 / √head_dim by which queries are multiplied before their product with the keys. A power of two loses no
/// digit, and it keeps the scores in the range of f16.
pub(crate) fn query_scale(head_dim: usize) -> f64 {
    (head_dim as f64).sqrt().recip().log2().floor().exp2()
}

/// query · keyᵀ, and by what these scores are still to be multiplied.
fn scores(query: Tensor<4>, key: Tensor<4>) -> (Tensor<4>, f64) {
    let [.., head_dim] = query.dims();
    let scale = (head_dim as f64).sqrt().recip() / query_scale(head_dim);
    (product::matmul(query, key.transpose()), scale)
}

pub(crate) fn softmax(scores: Tensor<4>, scale: f64) -> Tensor<4> {
    activation::softmax(scores.cast(FloatDType::F32) * scale, 3)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, Distribution};

    use super::*;

    const GROUP: SegmentGroup = SegmentGroup {
        segments: 5,
        length: 300,
    };

    #[test]
    fn as_many_segments_as_fit_and_then_as_many_queries() {
        let tile = |bytes| Tile::new(GROUP, 2, bytes, SCORE);
        let segment = 4 * 2 * 300 * 300;
        let whole = |segments| Tile {
            segments,
            queries: 300,
        };
        assert_eq!(tile(u64::MAX), whole(5));
        assert_eq!(tile(3 * segment - 1), whole(2));
        assert_eq!(tile(segment), whole(1));
        let part = |queries| Tile {
            segments: 1,
            queries,
        };
        assert_eq!(tile(segment - 1), part(256));
        assert_eq!(tile(1), part(64));
        let short = SegmentGroup {
            segments: 1,
            length: 9,
        };
        assert_eq!(
            Tile::new(short, 2, 1, SCORE),
            Tile {
                queries: 9,
                ..part(0)
            }
        );
    }

    const METHODS: [AttentionMethod; 2] = [AttentionMethod::Backend, AttentionMethod::Eager];

    fn values(
        inputs: &[Tensor<4>; 3],
        (segments, queries): (usize, usize),
        method: AttentionMethod,
    ) -> Vec<f32> {
        let [query, key, value] = inputs.clone();
        let query = query * method.query_scale(inputs[0].dims()[3]);
        let tile = Tile { segments, queries };
        let output = attention([query, key, value], tile, method);
        assert_eq!(output.dims(), inputs[2].dims());
        output.into_data().iter().collect()
    }

    fn random(shape: [usize; 4]) -> [Tensor<4>; 3] {
        let x = || Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
        [x() * 3.0, x(), x()]
    }

    #[test]
    fn no_row_depends_on_the_tile() {
        let inputs = random([2, 3, 150, 24]);
        let whole = values(&inputs, (3, 150), AttentionMethod::Backend);
        for method in METHODS {
            for tile in [(3, 150), (2, 150), (1, 150), (1, 64), (1, 7)] {
                for (whole, tiled) in whole.iter().zip(values(&inputs, tile, method)) {
                    assert!((whole - tiled).abs() < 3e-6, "{tile:?}, {method:?}");
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_mean_by_the_exponentials() {
        let tensor =
            |values: [f32; 4]| Tensor::from_floats([[values.map(|x| [x])]], &Device::flex());
        // One query at a time of width 1: the weights of the four values are 1 : 1 : 1 : 3.
        let inputs = [
            tensor([1.0; 4]),
            tensor([0.0, 0.0, 0.0, 3f32.ln()]),
            tensor([1.0, 2.0, 3.0, 10.0]),
        ];
        for method in METHODS {
            for value in values(&inputs, (1, 4), method) {
                assert!((value - 6.0).abs() < 1e-5, "{value}, {method:?}");
            }
        }
    }

    /// In f16, rows would add up to 1 within a thousandth only.
    #[test]
    fn of_16_bits_the_softmax_is_in_f32() {
        let [query, key, _] = random([2, 1, 700, 24]).map(|x| x.cast(FloatDType::F16));
        let weights = weights(query * query_scale(24), key);
        assert_eq!(weights.dtype(), DType::F32);
        for sum in weights.sum_dim(3).into_data().iter::<f32>() {
            assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        }
    }

    #[test]
    fn of_16_bits_the_output_is_near() {
        let inputs = random([2, 1, 1200, 24]).map(|x| x.cast(FloatDType::F16));
        let exact = inputs.clone().map(|x| x.cast(FloatDType::F32));
        let exact = values(&exact, (1, 1200), AttentionMethod::Backend);
        let found = values(&inputs, (1, 1200), AttentionMethod::Eager);
        let square = |x: f32| x * x;
        let error: f32 = exact.iter().zip(&found).map(|(a, b)| square(a - b)).sum();
        let error = (error / exact.iter().copied().map(square).sum::<f32>()).sqrt();
        assert!(error < 2e-3, "{error}");
    }

    /// 128 · 30 · 30 is beyond f16, a quarter of it is not.
    #[test]
    fn scores_stay_in_the_range_of_f16() {
        let inputs = random([1, 1, 3, 128]);
        let large = inputs.map(|x| (x * 0.0 + 30.0).cast(FloatDType::F16));
        for value in values(&large, (1, 3), AttentionMethod::Eager) {
            assert_eq!(value, 30.0);
        }
    }
}
