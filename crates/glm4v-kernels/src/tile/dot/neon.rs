//! NEON: quarters of a tile, 12×8 values, whose 24 sums fit the 32 registers.
//!
//! Each use of `SDOT` and `SMMLA` is one instruction of assembly, so that the compiler chooses the registers.
#![allow(unsafe_code)]

use std::arch::aarch64::*;
use std::arch::asm;

use super::split;
use crate::format::Bytes;
use crate::tile::{COLUMNS, Tile, VECTOR_ROWS as ROWS};

/// Columns of a quarter.
const WIDTH: usize = 8;

/// `SDOT` multiplies four bytes of a vector of columns by four bytes of one row.
#[target_feature(enable = "neon,dotprod")]
pub(super) fn dot(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, row_scales) = split::<ROWS>(left, Bytes::Signed);
    let (right, column_scales) = split::<COLUMNS>(right, Bytes::Signed);
    for column in (0..COLUMNS).step_by(WIDTH) {
        let mut sums = [[vdupq_n_s32(0); 2]; ROWS];
        for (left, right) in left.iter().zip(right) {
            let right: [_; 2] = load(&right[column..column + WIDTH]);
            let left: [_; ROWS / 4] = load(left);
            for (sums, left) in sums.as_chunks_mut::<4>().0.iter_mut().zip(left) {
                for (half, right) in right.into_iter().enumerate() {
                    dot_lane::<0>(&mut sums[0][half], right, left);
                    dot_lane::<1>(&mut sums[1][half], right, left);
                    dot_lane::<2>(&mut sums[2][half], right, left);
                    dot_lane::<3>(&mut sums[3][half], right, left);
                }
            }
        }
        let scales: [_; 2] = load(&column_scales[0][column..column + WIDTH]);
        for (row, sums) in sums.into_iter().enumerate() {
            let values = &mut tile[row][column..column + WIDTH];
            store(values, sums, row_scales[0][row], scales, add);
        }
    }
}

/// `SMMLA` multiplies eight bytes of two rows by eight bytes of two columns.
#[target_feature(enable = "neon,i8mm")]
pub(super) fn matrix(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, row_scales) = split::<ROWS>(left, Bytes::Octets);
    let (right, column_scales) = split::<COLUMNS>(right, Bytes::Octets);
    let (left, _) = left.as_chunks::<2>();
    let (right, _) = right.as_chunks::<2>();
    for column in (0..COLUMNS).step_by(WIDTH) {
        let mut sums = [[vdupq_n_s32(0); WIDTH / 2]; ROWS / 2];
        for (left, right) in left.iter().zip(right) {
            let right = &right.as_flattened()[2 * column..2 * (column + WIDTH)];
            let right: [_; WIDTH / 2] = load(right);
            let left: [_; ROWS / 2] = load(left.as_flattened());
            for (sums, left) in sums.iter_mut().zip(left) {
                for (sum, right) in sums.iter_mut().zip(right) {
                    multiply_octets(sum, left, right);
                }
            }
        }
        let scales: [_; 2] = load(&column_scales[0][column..column + WIDTH]);
        for (pair, sums) in sums.into_iter().enumerate() {
            for (row, sums) in (2 * pair..).zip(rows_of(sums)) {
                let values = &mut tile[row][column..column + WIDTH];
                store(values, sums, row_scales[0][row], scales, add);
            }
        }
    }
}

/// sum += right·left\[LANE], each four bytes.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn dot_lane<const LANE: i32>(sum: &mut int32x4_t, right: uint32x4_t, left: uint32x4_t) {
    // SAFETY: this function is compiled for the instruction, which uses only these registers.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {right:v}.16b, {left:v}.4b[{lane}]",
            sum = inout(vreg) *sum,
            right = in(vreg) right,
            left = in(vreg) left,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
}

/// sum += left·rightᵀ. The operands are two rows of eight bytes, and the sum is 2×2 i32.
#[target_feature(enable = "neon,i8mm")]
#[inline]
fn multiply_octets(sum: &mut int32x4_t, left: uint32x4_t, right: uint32x4_t) {
    // SAFETY: this function is compiled for the instruction, which uses only these registers.
    unsafe {
        asm!(
            "smmla {sum:v}.4s, {left:v}.16b, {right:v}.16b",
            sum = inout(vreg) *sum,
            left = in(vreg) left,
            right = in(vreg) right,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
}

/// The rows of 2×2 sums that are side by side.
#[target_feature(enable = "neon")]
#[inline]
fn rows_of([a, b, c, d]: [int32x4_t; WIDTH / 2]) -> [[int32x4_t; 2]; 2] {
    let [a, b, c, d] = [a, b, c, d].map(|square| vreinterpretq_s64_s32(square));
    let upper = [vzip1q_s64(a, b), vzip1q_s64(c, d)];
    let lower = [vzip2q_s64(a, b), vzip2q_s64(c, d)];
    [upper, lower].map(|row| row.map(|half| vreinterpretq_s32_s64(half)))
}

/// Scales the sums of a row, and stores them or adds them to the values.
#[target_feature(enable = "neon")]
#[inline]
fn store(
    values: &mut [f32],
    sums: [int32x4_t; 2],
    row_scale: u32,
    column_scales: [uint32x4_t; 2],
    add: bool,
) {
    let row_scale = vdupq_n_f32(f32::from_bits(row_scale));
    let vectors = values.as_chunks_mut::<4>().0.iter_mut();
    for ((vector, sum), scales) in vectors.zip(sums).zip(column_scales) {
        let scale = vmulq_f32(row_scale, vreinterpretq_f32_u32(scales));
        let scaled = vmulq_f32(vcvtq_f32_s32(sum), scale);
        // SAFETY: 4 values are a vector.
        unsafe {
            let value = match add {
                true => vaddq_f32(vld1q_f32(vector.as_ptr()), scaled),
                false => scaled,
            };
            vst1q_f32(vector.as_mut_ptr(), value);
        }
    }
}

/// # Panics
/// If the words are not `N` vectors.
#[target_feature(enable = "neon")]
#[inline]
fn load<const N: usize>(words: &[u32]) -> [uint32x4_t; N] {
    let (words, _) = words.as_chunks::<4>();
    let words: &[[u32; 4]; N] = words.try_into().expect("whole vectors");
    // SAFETY: 4 words are a vector.
    words
        .each_ref()
        .map(|words| unsafe { vld1q_u32(words.as_ptr()) })
}
