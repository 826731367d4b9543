use std::ops::Range;

use serde::Serialize;

/// How ranges are joined and split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum bytes of a chunk.
    pub chunk_bytes: u64,
    /// Tensors with at most this many bytes between them are fetched together.
    pub gap_bytes: u64,
}

/// One range of one file, for one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chunk {
    /// The index of the shard.
    pub shard: usize,
    /// The bytes to request. The first and the last belong to tensors.
    pub range: Range<u64>,
    /// The bytes of tensors among them, in order.
    pub copies: Vec<CopyRange>,
}

/// Bytes of a shard that are copied to the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopyRange {
    /// Their positions in the shard.
    pub source: Range<u64>,
    /// The position of the first byte in the output.
    pub target: u64,
}

impl Chunk {
    /// Bytes of tensors, without the gaps between them.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        let copies = self.copies.iter();
        copies.map(|copy| copy.source.end - copy.source.start).sum()
    }
}

impl CopyRange {
    /// The bytes to copy among `bytes`, which are at `position` in the shard, with their position in the output.
    ///
    /// Returns `None` if no byte is copied.
    #[must_use]
    pub fn overlap<'a>(&self, position: u64, bytes: &'a [u8]) -> Option<(u64, &'a [u8])> {
        let end = position + bytes.len() as u64;
        let (first, last) = (self.source.start.max(position), self.source.end.min(end));
        if first >= last {
            return None;
        }
        let overlap = &bytes[(first - position) as usize..(last - position) as usize];
        Some((self.target + (first - self.source.start), overlap))
    }
}

/// The chunks that contain `copies` of one shard.
pub(crate) fn chunks(shard: usize, mut copies: Vec<CopyRange>, limits: Limits) -> Vec<Chunk> {
    copies.sort_by_key(|copy| copy.source.start);
    let mut chunks: Vec<Chunk> = Vec::new();
    for mut copy in copies {
        while copy.source.start < copy.source.end {
            let chunk = match chunks.last_mut() {
                Some(chunk) if continues(chunk, &copy, limits) => chunk,
                _ => {
                    let (range, copies) = (copy.source.start..copy.source.start, Vec::new());
                    chunks.push(Chunk {
                        shard,
                        range,
                        copies,
                    });
                    chunks.last_mut().expect("a chunk was pushed")
                }
            };
            let limit = chunk.range.start + limits.chunk_bytes.max(1);
            let end = copy.source.end.min(limit);
            chunk.range.end = end;
            chunk.copies.push(CopyRange {
                source: copy.source.start..end,
                target: copy.target,
            });
            copy.target += end - copy.source.start;
            copy.source.start = end;
        }
    }
    chunks
}

/// Whether `copy` begins close to the end of `chunk`, and `chunk` has space left.
fn continues(chunk: &Chunk, copy: &CopyRange, limits: Limits) -> bool {
    copy.source.start.saturating_sub(chunk.range.end) <= limits.gap_bytes
        && copy.source.start - chunk.range.start < limits.chunk_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(extents: &[(u64, u64)], chunk_bytes: u64, gap_bytes: u64) -> Vec<Range<u64>> {
        let copies = extents.iter().map(|&(start, end)| CopyRange {
            source: start..end,
            target: start + 1000,
        });
        let limits = Limits {
            chunk_bytes,
            gap_bytes,
        };
        let chunks = chunks(0, copies.collect(), limits);
        for chunk in &chunks {
            assert_eq!(
                chunk.copies.first().unwrap().source.start,
                chunk.range.start
            );
            assert_eq!(chunk.copies.last().unwrap().source.end, chunk.range.end);
            assert!(
                chunk
                    .copies
                    .iter()
                    .all(|copy| copy.target == copy.source.start + 1000)
            );
        }
        let bytes: u64 = chunks.iter().map(Chunk::tensor_bytes).sum();
        assert_eq!(
            bytes,
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
    fn long_ranges_are_split_and_no_chunk_begins_in_a_gap() {
        assert_eq!(ranges(&[(0, 25)], 10, 5), [0..10, 10..20, 20..25]);
        assert_eq!(ranges(&[(0, 8), (12, 15)], 10, 5), [0..8, 12..15]);
        assert_eq!(ranges(&[(0, 8), (9, 15)], 10, 5), [0..10, 10..15]);
    }

    #[test]
    fn overlaps_are_found_in_any_slice() {
        let copy = CopyRange {
            source: 10..14,
            target: 100,
        };
        assert_eq!(copy.overlap(8, b"abcdefgh"), Some((100, &b"cdef"[..])));
        assert_eq!(copy.overlap(12, b"ef"), Some((102, &b"ef"[..])));
        assert_eq!(copy.overlap(5, b"abcde"), None);
        assert_eq!(copy.overlap(14, b"a"), None);
    }
}
