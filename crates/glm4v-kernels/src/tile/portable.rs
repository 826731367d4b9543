//! Plain loops that the compiler vectorises, over parts of the tile that fit sixteen registers of four values.

use super::{COLUMNS, Tile, VECTOR_ROWS as ROWS};
use crate::isa::mul_add;

/// Rows of a part.
const HEIGHT: usize = 4;
/// Columns of a part. aarch64 has twice the registers.
const WIDTH: usize = if cfg!(target_arch = "aarch64") { 16 } else { 8 };
const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

type Sums = [[f32; WIDTH]; HEIGHT];

pub(super) fn f32(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, _) = left.as_chunks::<ROWS>();
    let (right, _) = right.as_chunks::<COLUMNS>();
    each_part(tile, add, |row, column, sums| {
        for (left, right) in left.iter().zip(right) {
            let right: &[u32; WIDTH] = right[column..]
                .first_chunk()
                .expect("a part has WIDTH columns");
            fuse(sums, &left[row..row + HEIGHT], right.map(f32::from_bits));
        }
    });
}

pub(super) fn scale(tile: &mut Tile, factors: &[f32; COLUMNS]) {
    for row in tile {
        for (value, factor) in row.iter_mut().zip(factors) {
            *value *= factor;
        }
    }
}

#[inline(always)]
fn each_part(tile: &mut Tile, add: bool, multiply: impl Fn(usize, usize, &mut Sums)) {
    for row in (0..ROWS).step_by(HEIGHT) {
        for column in (0..COLUMNS).step_by(WIDTH) {
            let mut sums = [[0.0; WIDTH]; HEIGHT];
            multiply(row, column, &mut sums);
            for (offset, sums) in sums.iter().enumerate() {
                let values = &mut tile[row + offset][column..column + WIDTH];
                for (value, sum) in values.iter_mut().zip(sums) {
                    *value = if add { *value + sum } else { *sum };
                }
            }
        }
    }
}

#[inline(always)]
fn fuse(sums: &mut Sums, left: &[u32], right: [f32; WIDTH]) {
    for (sums, &left) in sums.iter_mut().zip(left) {
        let left = f32::from_bits(left);
        for (sum, right) in sums.iter_mut().zip(right) {
            *sum = mul_add::<FUSED>(left, right, *sum);
        }
    }
}
