//! Models of AMX and of ARM64's `BFMMLA` in loops, for machines without them. They read the same panels.

use super::{AMX_ROWS, COLUMNS, Tile, VECTOR_ROWS};
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

fn dot_pairs(x: u32, y: u32) -> f32 {
    f32::from_bits(x << 16) * f32::from_bits(y << 16)
        + f32::from_bits(x & 0xffff_0000) * f32::from_bits(y & 0xffff_0000)
}
