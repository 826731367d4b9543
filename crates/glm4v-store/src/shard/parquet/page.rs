//! A page of the column `embeddings`, for one row.
//!
//! A page contains the repetition levels, the definition levels and the values of its row. Both kinds of levels are
//! run-length encoded, and a token is two runs: its first value, and all others.

use ::parquet::basic::Encoding;
use ::parquet::column::page::{CompressedPage, Page};
use bytes::Bytes;

use crate::Pool;

/// Whether a row fits in a page. The header of a page has 31 bits for its bytes. Some of them are levels.
pub(super) fn fits(tokens: usize, bytes: usize) -> bool {
    const LEVELS: usize = 16; // of a token, at most
    i32::try_from(bytes + LEVELS * (tokens + 1)).is_ok()
}

/// The page of a row without embeddings.
pub(super) fn null() -> CompressedPage {
    page(1, &[(0, 1)], &[(0, 1)], &[])
}

/// The page of a row with `values` of `tokens` tokens (1 with [`Pool::Mean`]) of `width` values.
pub(super) fn row(pool: Pool, tokens: usize, width: usize, values: &[u8]) -> CompressedPage {
    // The level that means "a value is here", and the one that means "the token goes on".
    let (present, inside) = match pool {
        Pool::None => (3, 2),
        Pool::Mean => (2, 1),
    };
    let mut repetitions = Vec::with_capacity(2 * tokens);
    for token in 0..tokens {
        repetitions.push((u8::from(token > 0), 1));
        repetitions.push((inside, width - 1));
    }
    page(
        tokens * width,
        &repetitions,
        &[(present, tokens * width)],
        values,
    )
}

fn page(
    count: usize,
    repetitions: &[(u8, usize)],
    definitions: &[(u8, usize)],
    values: &[u8],
) -> CompressedPage {
    let mut buf = Vec::with_capacity(values.len() + 16 + 8 * repetitions.len());
    levels(repetitions, &mut buf);
    levels(definitions, &mut buf);
    buf.extend_from_slice(values);
    let bytes = buf.len();
    let page = Page::DataPage {
        buf: Bytes::from(buf),
        num_values: count as u32,
        encoding: Encoding::PLAIN,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    CompressedPage::new(page, bytes)
}

/// Appends runs of (level, count) after their length in bytes.
fn levels(runs: &[(u8, usize)], buf: &mut Vec<u8>) {
    let start = buf.len();
    buf.extend([0; 4]);
    for &(level, count) in runs.iter().filter(|(_, count)| *count > 0) {
        // An even header marks a run of one level. Levels up to 3 fit one byte.
        varint(count << 1, buf);
        buf.push(level);
    }
    let length = (buf.len() - start - 4) as u32;
    buf[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Appends 7 bits a byte, the lowest first. All bytes but the last have their upper bit set.
fn varint(mut number: usize, buf: &mut Vec<u8>) {
    while number >= 0x80 {
        buf.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    buf.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_two_tokens() {
        let page = row(Pool::None, 2, 3, &[7; 24]);
        assert_eq!(page.num_values(), 6);
        let repetitions = [8, 0, 0, 0, 2, 0, 4, 2, 2, 1, 4, 2]; // 0, 2, 2, 1, 2, 2
        let definitions = [2, 0, 0, 0, 12, 3]; // six times 3
        assert_eq!(
            page.data(),
            [&repetitions[..], &definitions, &[7; 24]].concat()
        );
    }

    #[test]
    fn a_pooled_row_of_one_value() {
        let page = row(Pool::Mean, 1, 1, &[7; 4]);
        assert_eq!(
            page.data(),
            [2, 0, 0, 0, 2, 0, 2, 0, 0, 0, 2, 2, 7, 7, 7, 7]
        );
    }

    #[test]
    fn a_page_has_at_most_2_gib() {
        assert!(fits(130_000, 130_000 * 4096 * 4));
        assert!(!fits(131_072, 131_072 * 4096 * 4));
    }

    #[test]
    fn long_runs_have_long_headers() {
        let mut buf = Vec::new();
        varint(300, &mut buf);
        assert_eq!(buf, [0xac, 0x02]);
    }
}
