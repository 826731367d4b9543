//! Models in loops of AMX, of `VPDPBUSD`, and of ARM64's `BFMMLA` and `SMMLA`, for machines without them. They read the same
//! panels. The one of AMX for pairs also checks the tiles of processors that have them.

#[cfg(test)]
use super::VECTOR_ROWS;
use super::{AMX_ROWS, COLUMNS, Tile};
#[cfg(test)]
use crate::format::Bytes;
use crate::transpose::STEPS;

/// Follows the loop of `amx::pairs`. A block of 16 steps is two tiles of the left panel, one below the other, and two tiles of
/// the right panel, side by side.
pub(super) fn pairs(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    if !add {
        tile.as_flattened_mut().fill(0.0);
    }
    let (left, _) = left.as_chunks::<{ AMX_ROWS * STEPS }>();
    let (right, _) = right.as_chunks::<{ COLUMNS * STEPS }>();
    for (left, right) in left.iter().zip(right) {
        for upper in [0, 1] {
            for other in [0, 1] {
                dot(
                    &left[upper * 16 * STEPS..],
                    &right[other * 16..],
                    tile,
                    [upper, other],
                );
            }
        }
    }
}

/// `TDPBF16PS`: sums the lower and the upper halves separately, then adds both sums.
fn dot(left: &[u32], right: &[u32], tile: &mut Tile, [upper, other]: [usize; 2]) {
    for row in 0..16 {
        for column in 0..16 {
            let [mut lower, mut higher] = [0.0_f32; 2];
            for step in 0..STEPS {
                let (x, y) = (left[row * STEPS + step], right[step * COLUMNS + column]);
                lower += f32::from_bits(x << 16) * f32::from_bits(y << 16);
                higher += f32::from_bits(x & 0xffff_0000) * f32::from_bits(y & 0xffff_0000);
            }
            tile[upper * 16 + row][other * 16 + column] += lower + higher;
        }
    }
}

/// Follows the loop of `neon::quads`. Two steps of a panel have four values of each lane, side by side.
#[cfg(test)]
pub(super) fn quads(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let mut sums = [[0.0; COLUMNS]; VECTOR_ROWS];
    let (left, _) = left.as_chunks::<{ 2 * VECTOR_ROWS }>();
    let (right, _) = right.as_chunks::<{ 2 * COLUMNS }>();
    for (left, right) in left.iter().zip(right) {
        for (sums, left) in sums.iter_mut().zip(left.as_chunks::<2>().0) {
            for (sum, right) in sums.iter_mut().zip(right.as_chunks::<2>().0) {
                let pairs = left.iter().zip(right);
                *sum += pairs.map(|(&x, &y)| dot_pairs(x, y)).sum::<f32>();
            }
        }
    }
    for (row, sums) in tile.iter_mut().zip(sums) {
        for (value, sum) in row.iter_mut().zip(sums) {
            *value = if add { *value + sum } else { sum };
        }
    }
}

#[cfg(test)]
fn dot_pairs(x: u32, y: u32) -> f32 {
    f32::from_bits(x << 16) * f32::from_bits(y << 16)
        + f32::from_bits(x & 0xffff_0000) * f32::from_bits(y & 0xffff_0000)
}

/// Follows the loops of `dot::vnni`. A step has four bytes of each lane, unsigned in the right panel.
#[cfg(test)]
pub(super) fn unsigned(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let last = Bytes::Unsigned.steps();
    let (left, _) = left.as_chunks::<VECTOR_ROWS>();
    let (right, _) = right.as_chunks::<COLUMNS>();
    let sum = |row: usize, column: usize| {
        let steps = left[..last].iter().zip(&right[..last]);
        let products = steps.flat_map(|(left, right)| {
            let (x, y) = (left[row].to_le_bytes(), right[column].to_le_bytes());
            (0..4).map(move |i| i32::from(x[i] as i8) * i32::from(y[i]))
        });
        left[last + 1][row] as i32 + products.sum::<i32>()
    };
    store(&left[last], &right[last], tile, add, sum);
}

/// Follows the loop of `dot::neon::matrix`. Two steps have eight bytes of each lane, side by side.
#[cfg(test)]
pub(super) fn octets(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let steps = Bytes::Octets.steps();
    let bytes = |panel: &[u32], lanes: usize, lane: usize, byte: usize| {
        let word = panel[byte / 8 * 2 * lanes + 2 * lane + byte % 8 / 4];
        i32::from(word.to_le_bytes()[byte % 4] as i8)
    };
    let sum = |row: usize, column: usize| {
        let products = (0..4 * steps)
            .map(|byte| bytes(left, VECTOR_ROWS, row, byte) * bytes(right, COLUMNS, column, byte));
        products.sum()
    };
    let (column_scales, _) = right[steps * COLUMNS..].as_chunks();
    let row_scales = &left[steps * VECTOR_ROWS..];
    store(row_scales, &column_scales[0], tile, add, sum);
}

/// Follows the loop of `dot::amx`, with any number of left panels. 16 words of a row are side by side there.
#[cfg(test)]
pub(super) fn byte_tiles(left: &[u32], right: &[u32], tiles: &mut Tile, add: bool) {
    let steps = Bytes::Steps.steps();
    let (right, _) = right.as_chunks::<COLUMNS>();
    let panels = left.chunks_exact(AMX_ROWS * Bytes::Steps.words());
    for (left, tile) in panels.zip(tiles.chunks_exact_mut(AMX_ROWS)) {
        let (words, row_scales) = left.split_at(steps * AMX_ROWS);
        let (rows, _) = words.as_chunks::<STEPS>();
        let sum = |row: usize, column: usize| {
            let steps = (0..steps).flat_map(|step| {
                let left = rows[step / STEPS * AMX_ROWS + row][step % STEPS];
                let [x, y] = [left, right[step][column]].map(u32::to_le_bytes);
                (0..4).map(move |i| i32::from(x[i] as i8) * i32::from(y[i] as i8))
            });
            steps.sum::<i32>()
        };
        store(row_scales, &right[steps], tile, add, sum);
    }
}

#[cfg(test)]
fn store(
    row_scales: &[u32],
    column_scales: &[u32; COLUMNS],
    tile: &mut Tile,
    add: bool,
    sum: impl Fn(usize, usize) -> i32,
) {
    for (row, values) in tile.iter_mut().enumerate() {
        for (column, value) in values.iter_mut().enumerate() {
            let [x, y] = [row_scales[row], column_scales[column]].map(f32::from_bits);
            let scaled = sum(row, column) as f32 * (x * y);
            *value = if add { *value + scaled } else { scaled };
        }
    }
}
