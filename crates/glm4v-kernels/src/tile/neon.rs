//! NEON: quarters of a tile, 12×8 values, whose 24 sums fit the 32 registers.
//!
//! Stable Rust has no function for `BFMMLA`. Each use is one instruction of assembly, so that the compiler chooses the registers.
#![allow(unsafe_code)]

use std::arch::aarch64::*;
use std::arch::asm;

use super::{COLUMNS, Tile, VECTOR_ROWS as ROWS};

/// Columns of a quarter.
const WIDTH: usize = 8;

/// `FMLA` multiplies two vectors of a step's columns by one value of a row.
#[target_feature(enable = "neon")]
pub(super) fn f32(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, _) = left.as_chunks::<ROWS>();
    let (right, _) = right.as_chunks::<COLUMNS>();
    let tile: &mut [_; ROWS] = tile.try_into().expect("a tile of 12 rows");
    for column in (0..COLUMNS).step_by(WIDTH) {
        let mut sums = [[vdupq_n_f32(0.0); 2]; ROWS];
        for (left, right) in left.iter().zip(right) {
            let right: [_; 2] = load(&right[column..column + WIDTH]);
            let right = right.map(|words| vreinterpretq_f32_u32(words));
            let (left, _) = left.as_chunks::<4>();
            for (sums, left) in sums.as_chunks_mut::<4>().0.iter_mut().zip(left) {
                let [left] = load(left);
                fuse(sums, vreinterpretq_f32_u32(left), right);
            }
        }
        for (row, sums) in tile.iter_mut().zip(sums) {
            store(&mut row[column..column + WIDTH], sums, add);
        }
    }
}

/// `BFMMLA` multiplies four values of two rows by four values of two columns.
#[target_feature(enable = "neon,bf16")]
pub(super) fn quads(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, _) = left.as_chunks::<{ 2 * ROWS }>();
    let (right, _) = right.as_chunks::<{ 2 * COLUMNS }>();
    let tile: &mut [_; ROWS] = tile.try_into().expect("a tile of 12 rows");
    for column in (0..COLUMNS).step_by(WIDTH) {
        let mut sums = [[vdupq_n_f32(0.0); WIDTH / 2]; ROWS / 2];
        for (left, right) in left.iter().zip(right) {
            let right: [_; WIDTH / 2] = load(&right[2 * column..2 * (column + WIDTH)]);
            let left: [_; ROWS / 2] = load(left);
            for (sums, left) in sums.iter_mut().zip(left) {
                for (sum, right) in sums.iter_mut().zip(right) {
                    multiply_quads(sum, left, right);
                }
            }
        }
        for (rows, sums) in tile.as_chunks_mut::<2>().0.iter_mut().zip(sums) {
            let [upper, lower] = rows_of(sums);
            store(&mut rows[0][column..column + WIDTH], upper, add);
            store(&mut rows[1][column..column + WIDTH], lower, add);
        }
    }
}

#[target_feature(enable = "neon")]
pub(super) fn scale(tile: &mut Tile, factors: &[f32; COLUMNS]) {
    let (factors, _) = factors.as_chunks::<4>();
    for row in tile {
        for (values, factors) in row.as_chunks_mut::<4>().0.iter_mut().zip(factors) {
            // SAFETY: 4 values are a vector.
            unsafe {
                let scaled = vmulq_f32(vld1q_f32(values.as_ptr()), vld1q_f32(factors.as_ptr()));
                vst1q_f32(values.as_mut_ptr(), scaled);
            }
        }
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn fuse(sums: &mut [[float32x4_t; 2]; 4], left: float32x4_t, right: [float32x4_t; 2]) {
    for (half, right) in right.into_iter().enumerate() {
        sums[0][half] = vfmaq_laneq_f32::<0>(sums[0][half], right, left);
        sums[1][half] = vfmaq_laneq_f32::<1>(sums[1][half], right, left);
        sums[2][half] = vfmaq_laneq_f32::<2>(sums[2][half], right, left);
        sums[3][half] = vfmaq_laneq_f32::<3>(sums[3][half], right, left);
    }
}

/// sum += left·rightᵀ. The operands are two rows of four bf16, and the sum is 2×2 f32.
#[target_feature(enable = "neon,bf16")]
#[inline]
fn multiply_quads(sum: &mut float32x4_t, left: uint32x4_t, right: uint32x4_t) {
    // SAFETY: this function is compiled for the instruction, which uses only these registers.
    unsafe {
        asm!(
            "bfmmla {sum:v}.4s, {left:v}.8h, {right:v}.8h",
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
fn rows_of([a, b, c, d]: [float32x4_t; WIDTH / 2]) -> [[float32x4_t; 2]; 2] {
    let [a, b, c, d] = [a, b, c, d].map(|square| vreinterpretq_f64_f32(square));
    let upper = [vzip1q_f64(a, b), vzip1q_f64(c, d)];
    let lower = [vzip2q_f64(a, b), vzip2q_f64(c, d)];
    [upper, lower].map(|row| row.map(|half| vreinterpretq_f32_f64(half)))
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

#[target_feature(enable = "neon")]
#[inline]
fn store(values: &mut [f32], sums: [float32x4_t; 2], add: bool) {
    for (values, sum) in values.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: 4 values are a vector.
        unsafe {
            let sum = if add {
                vaddq_f32(vld1q_f32(values.as_ptr()), sum)
            } else {
                sum
            };
            vst1q_f32(values.as_mut_ptr(), sum);
        }
    }
}
