//! Plain loops over pairs of i16, in parts of the tile whose sums stay in registers. Without byte products, NEON runs them too.

use super::split;
use crate::format::Bytes;
use crate::tile::{COLUMNS, Tile, VECTOR_ROWS as ROWS};

/// Rows of a part.
const HEIGHT: usize = 4;
/// Columns of a part. aarch64 has twice the registers.
const WIDTH: usize = if cfg!(target_arch = "aarch64") { 16 } else { 8 };

pub(super) fn shorts(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, row_scales) = split::<ROWS>(left, Bytes::Shorts);
    let (right, column_scales) = split::<COLUMNS>(right, Bytes::Shorts);
    for row in (0..ROWS).step_by(HEIGHT) {
        for column in (0..COLUMNS).step_by(WIDTH) {
            let mut sums = [[0_i32; WIDTH]; HEIGHT];
            for (left, right) in left.iter().zip(right) {
                let right: &[u32; WIDTH] = right[column..].first_chunk().expect("a whole part");
                sum(&mut sums, &left[row..row + HEIGHT], right);
            }
            for (row, sums) in (row..).zip(sums) {
                let row_scale = f32::from_bits(row_scales[0][row]);
                for (column, sum) in (column..).zip(sums) {
                    let scale = row_scale * f32::from_bits(column_scales[0][column]);
                    let scaled = sum as f32 * scale;
                    let value = &mut tile[row][column];
                    *value = if add { *value + scaled } else { scaled };
                }
            }
        }
    }
}

#[inline(always)]
fn sum(sums: &mut [[i32; WIDTH]; HEIGHT], left: &[u32], right: &[u32; WIDTH]) {
    let [first, second] = [right.map(lower), right.map(upper)];
    for (sums, &left) in sums.iter_mut().zip(left) {
        let (left_first, left_second) = (lower(left), upper(left));
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += left_first * first[lane] + left_second * second[lane];
        }
    }
}

#[inline(always)]
fn lower(pair: u32) -> i32 {
    i32::from(pair as i16)
}

#[inline(always)]
fn upper(pair: u32) -> i32 {
    pair as i32 >> 16
}
