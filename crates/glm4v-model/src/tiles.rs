//! Attention in tiles, where a backend holds every score at once.

use burn::tensor::{Tensor, module};

use crate::{Run, join};

/// Bytes of scores that a call of a backend's attention may hold: 256 MiB.
pub(crate) const MAX_SCORE_BYTES: u64 = 256 << 20;
/// Fewer queries at a time are slow and save nothing worth having.
const MIN_QUERIES: usize = 64;
/// Bytes of a score, counted as f32 whatever the tower's type.
const SCORE: u64 = 4;

/// How much of a run attends in one call: some segments whole, or some queries of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) segments: usize,
    pub(crate) queries: usize,
}

impl Tile {
    /// The largest tile of `run` whose scores are at most `max_score_bytes`, but for 64 queries of one segment.
    pub(crate) fn new(run: Run, heads: usize, max_score_bytes: u64) -> Self {
        let query = SCORE * heads as u64 * run.length as u64;
        let whole = max_score_bytes / (query * run.length as u64).max(1);
        if whole > 0 {
            return Self {
                segments: run
                    .segments
                    .min(usize::try_from(whole).unwrap_or(usize::MAX)),
                queries: run.length,
            };
        }
        let queries = usize::try_from(max_score_bytes / query).unwrap_or(usize::MAX);
        let queries = (queries / MIN_QUERIES).max(1) * MIN_QUERIES;
        Self {
            segments: 1,
            queries: queries.min(run.length),
        }
    }

    /// Bytes of its scores.
    pub(crate) fn score_bytes(self, run: Run, heads: usize) -> u64 {
        SCORE * heads as u64 * self.segments as u64 * self.queries as u64 * run.length as u64
    }
}

/// Attention of a run, tile by tile: every query's row of scores is its own, so no result depends on the tile.
///
/// # Shapes
/// - query, key, value, output: `[segments, heads, segment length, head_dim]`
pub(crate) fn attention([query, key, value]: [Tensor<4>; 3], tile: Tile) -> Tensor<4> {
    let [segments, _, length, _] = query.dims();
    let mut outputs = Vec::new();
    for first in (0..segments).step_by(tile.segments) {
        let count = tile.segments.min(segments - first);
        let [query, key, value] = [&query, &key, &value].map(|x| x.clone().narrow(0, first, count));
        let mut rows = Vec::new();
        for first in (0..length).step_by(tile.queries) {
            let count = tile.queries.min(length - first);
            let query = query.clone().narrow(2, first, count);
            let (key, value) = (key.clone(), value.clone());
            rows.push(module::attention(
                query,
                key,
                value,
                None,
                None,
                Default::default(),
            ));
        }
        outputs.push(join(rows, 2));
    }
    join(outputs, 0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    const RUN: Run = Run {
        segments: 5,
        length: 300,
    };

    #[test]
    fn as_many_segments_as_fit_and_then_as_many_queries() {
        let tile = |bytes| Tile::new(RUN, 2, bytes);
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
        assert_eq!(tile(segment).score_bytes(RUN, 2), segment);
        assert_eq!(tile(1).score_bytes(RUN, 2), 4 * 2 * 64 * 300);
        let short = Run {
            segments: 1,
            length: 9,
        };
        assert_eq!(
            Tile::new(short, 2, 1),
            Tile {
                queries: 9,
                ..part(0)
            }
        );
    }

    #[test]
    fn no_row_depends_on_the_tile() {
        let device = Device::flex();
        let x = || Tensor::<4>::random([3, 2, 150, 8], Distribution::Default, &device);
        let inputs = [x(), x(), x()];
        let values = |segments, queries| {
            let tile = Tile { segments, queries };
            let output = attention(inputs.clone(), tile);
            assert_eq!(output.dims(), [3, 2, 150, 8]);
            output.into_data().iter::<f32>().collect::<Vec<_>>()
        };
        let whole = values(3, 150);
        for (segments, queries) in [(2, 150), (1, 150), (1, 64), (1, 7)] {
            for (whole, tiled) in whole.iter().zip(values(segments, queries)) {
                assert!((whole - tiled).abs() < 1e-6, "{segments}, {queries}");
            }
        }
    }
}
