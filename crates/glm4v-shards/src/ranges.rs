use std::ops::Range;

use serde::Serialize;

/// How ranges are joined and cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a chunk at most.
    pub chunk_bytes: u64,
    /// Bytes between two tensors that do not part them.
    pub gap_bytes: u64,
}

/// One range of one file, to be asked for at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chunk {
    /// The number of the shard.
    pub shard: usize,
    /// The bytes to ask for; the first and the last are wanted.
    pub range: Range<u64>,
    /// Which of them are wanted, in order.
    pub pieces: Vec<Piece>,
}

/// Bytes of a shard that go to the output as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Their place in the shard.
    pub from: Range<u64>,
    /// The place of the first in the output.
    pub to: u64,
}

impl Chunk {
    /// Bytes that are wanted.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.pieces
            .iter()
            .map(|piece| piece.from.end - piece.from.start)
            .sum()
    }
}

impl Piece {
    /// The part of `bytes`, which are those of the shard from `position` on, that this takes, and its place in the
    /// output.
    #[must_use]
    pub fn take<'a>(&self, position: u64, bytes: &'a [u8]) -> Option<(u64, &'a [u8])> {
        let end = position + bytes.len() as u64;
        let (first, last) = (self.from.start.max(position), self.from.end.min(end));
        if first >= last {
            return None;
        }
        let part = &bytes[(first - position) as usize..(last - position) as usize];
        Some((self.to + (first - self.from.start), part))
    }
}

/// The chunks that bring `pieces` of one shard.
pub(crate) fn chunks(shard: usize, mut pieces: Vec<Piece>, limits: Limits) -> Vec<Chunk> {
    pieces.sort_by_key(|piece| piece.from.start);
    let mut chunks: Vec<Chunk> = Vec::new();
    for mut piece in pieces {
        while piece.from.start < piece.from.end {
            let chunk = match chunks.last_mut() {
                Some(chunk) if continues(chunk, &piece, limits) => chunk,
                _ => {
                    let (range, pieces) = (piece.from.start..piece.from.start, Vec::new());
                    chunks.push(Chunk {
                        shard,
                        range,
                        pieces,
                    });
                    chunks.last_mut().expect("a chunk was pushed")
                }
            };
            let limit = chunk.range.start + limits.chunk_bytes.max(1);
            let middle = piece.from.end.min(limit);
            chunk.range.end = middle;
            chunk.pieces.push(Piece {
                from: piece.from.start..middle,
                to: piece.to,
            });
            piece.to += middle - piece.from.start;
            piece.from.start = middle;
        }
    }
    chunks
}

/// Whether `piece` begins near enough to the end of `chunk`, and before it is full.
fn continues(chunk: &Chunk, piece: &Piece, limits: Limits) -> bool {
    piece.from.start.saturating_sub(chunk.range.end) <= limits.gap_bytes
        && piece.from.start - chunk.range.start < limits.chunk_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(extents: &[(u64, u64)], chunk_bytes: u64, gap_bytes: u64) -> Vec<Range<u64>> {
        let pieces = extents.iter().map(|&(start, end)| Piece {
            from: start..end,
            to: start + 1000,
        });
        let limits = Limits {
            chunk_bytes,
            gap_bytes,
        };
        let chunks = chunks(0, pieces.collect(), limits);
        for chunk in &chunks {
            assert_eq!(chunk.pieces.first().unwrap().from.start, chunk.range.start);
            assert_eq!(chunk.pieces.last().unwrap().from.end, chunk.range.end);
            assert!(
                chunk
                    .pieces
                    .iter()
                    .all(|piece| piece.to == piece.from.start + 1000)
            );
        }
        let wanted: u64 = chunks.iter().map(Chunk::wanted).sum();
        assert_eq!(
            wanted,
            extents.iter().map(|(start, end)| end - start).sum::<u64>()
        );
        chunks.into_iter().map(|chunk| chunk.range).collect()
    }

    #[test]
    fn small_gaps_are_fetched_and_large_ones_are_not() {
        assert_eq!(
            ranges(&[(10, 20), (20, 30), (32, 40), (43, 50)], 100, 2),
            [10..40, 43..50]
        );
        assert_eq!(ranges(&[(43, 50), (10, 20)], 100, 0), [10..20, 43..50]);
    }

    #[test]
    fn long_ranges_are_cut_and_no_chunk_begins_in_a_gap() {
        assert_eq!(ranges(&[(0, 25)], 10, 5), [0..10, 10..20, 20..25]);
        assert_eq!(ranges(&[(0, 8), (12, 15)], 10, 5), [0..8, 12..15]);
        assert_eq!(ranges(&[(0, 8), (9, 15)], 10, 5), [0..10, 10..15]);
    }

    #[test]
    fn bytes_are_taken_wherever_they_were_cut() {
        let piece = Piece {
            from: 10..14,
            to: 100,
        };
        assert_eq!(piece.take(8, b"abcdefgh"), Some((100, &b"cdef"[..])));
        assert_eq!(piece.take(12, b"ef"), Some((102, &b"ef"[..])));
        assert_eq!(piece.take(5, b"abcde"), None);
        assert_eq!(piece.take(14, b"a"), None);
    }
}
