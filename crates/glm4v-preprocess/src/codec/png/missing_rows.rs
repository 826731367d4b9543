use std::io::Read;

use flate2::read::ZlibDecoder;

use super::chunks::{chunks, find};

/// Adam7: the first column and row of each pass, and the steps between its columns and rows.
const PASSES: [[u64; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

/// Whether the pixels end properly, but behind too few rows, of which there is at least one. Pillow reads such a file:
/// the missing samples are 0.
pub(super) fn misses_rows(png: &[u8]) -> bool {
    let Some(rows) = find(png, b"IHDR").and_then(row_bytes) else {
        return false;
    };
    let pixels = chunks(png).skip_while(|chunk| !chunk.is_pixels());
    let pixels: Vec<&[u8]> = pixels
        .take_while(|chunk| chunk.is_pixels())
        .map(|chunk| chunk.data)
        .collect();
    let pixels = pixels.concat();
    let mut decoder = ZlibDecoder::new(&pixels[..]);
    for (index, row) in rows.enumerate() {
        match std::io::copy(&mut decoder.by_ref().take(row), &mut std::io::sink()) {
            Ok(0) => return index > 0,
            Ok(read) if read == row => {}
            Ok(_) | Err(_) => return false,
        }
    }
    false
}

/// The bytes of each row with its filter, from the header.
fn row_bytes(header: &[u8]) -> Option<impl Iterator<Item = u64>> {
    let &[
        w0,
        w1,
        w2,
        w3,
        h0,
        h1,
        h2,
        h3,
        depth,
        color_type,
        _,
        _,
        interlaced,
    ] = header.first_chunk()?;
    let width = u64::from(u32::from_be_bytes([w0, w1, w2, w3]));
    let height = u64::from(u32::from_be_bytes([h0, h1, h2, h3]));
    let samples = match color_type {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let bits = samples * u64::from(depth);
    let passes: &[[u64; 4]] = match interlaced {
        0 => &[[0, 0, 1, 1]],
        _ => &PASSES,
    };
    let rows = passes.iter().flat_map(move |&[left, top, across, down]| {
        let columns = width.saturating_sub(left).div_ceil(across);
        let rows = match columns {
            0 => 0,
            _ => height.saturating_sub(top).div_ceil(down),
        };
        std::iter::repeat_n((columns * bits).div_ceil(8) + 1, rows as usize)
    });
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_every_pass_are_counted() {
        let rows = |interlaced| -> Vec<u64> {
            let header = [0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, interlaced];
            row_bytes(&header).unwrap().collect()
        };
        assert_eq!(rows(0), [10, 10]);
        // One pixel; column 2 of row 0; column 1 of row 0; all of row 1.
        assert_eq!(rows(1), [4, 4, 4, 10]);
    }
}
