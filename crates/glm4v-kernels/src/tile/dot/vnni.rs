//! `VPDPBUSD` multiplies four unsigned bytes by four signed ones, and adds the products without saturation. The weights are
//! the unsigned operand: integers plus 128. Each sum begins with −128 times the sum of its row's integers, so that it becomes
//! the sum of signed products.
//!
//! The kernel of AVX-VNNI has not run on a processor with the instruction. A loop tests its panels, and each kernel is checked before
//! it is used.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{avx2, split};
use crate::format::Bytes;
use crate::tile::{COLUMNS, Tile, VECTOR_ROWS as ROWS};

const HALF_ROWS: usize = ROWS / 2;
const QUARTERS: [(usize, usize); 4] = [(0, 0), (HALF_ROWS, 0), (0, 16), (HALF_ROWS, 16)];

/// Quarters of a tile, 6×16 values, as with AVX2.
#[target_feature(enable = "avx2,avxvnni")]
pub(super) fn avx(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, last) = split::<ROWS>(left, Bytes::SignedAndSum);
    let (right, column_scales) = split::<COLUMNS>(right, Bytes::Unsigned);
    let [row_scales, first] = last else {
        unreachable!("the rows have scales and sums");
    };
    for (row, column) in QUARTERS {
        let mut sums = [[_mm256_setzero_si256(); 2]; HALF_ROWS];
        for (sums, &first) in sums.iter_mut().zip(&first[row..]) {
            *sums = [_mm256_set1_epi32(first as i32); 2];
        }
        for (left, right) in left.iter().zip(right) {
            let right = avx2::load(right, column);
            for (sums, &left) in sums.iter_mut().zip(&left[row..row + HALF_ROWS]) {
                let left = _mm256_set1_epi32(left as i32);
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = _mm256_dpbusd_avx_epi32(*sum, right, left);
                }
            }
        }
        let column_scales = avx2::load(&column_scales[0], column);
        for (row, sums) in (row..).zip(sums) {
            let values = &mut tile[row][column..column + 16];
            avx2::store(values, sums, row_scales[row], column_scales, add);
        }
    }
}

/// The whole tile: 24 sums and two vectors of the right panel in registers.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn avx512(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, last) = split::<ROWS>(left, Bytes::SignedAndSum);
    let (right, column_scales) = split::<COLUMNS>(right, Bytes::Unsigned);
    let [row_scales, first] = last else {
        unreachable!("the rows have scales and sums");
    };
    let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
    for (sums, &first) in sums.iter_mut().zip(first) {
        *sums = [_mm512_set1_epi32(first as i32); 2];
    }
    for (left, right) in left.iter().zip(right) {
        let right = load(right);
        for (sums, &left) in sums.iter_mut().zip(left) {
            let left = _mm512_set1_epi32(left as i32);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = _mm512_dpbusd_epi32(*sum, right, left);
            }
        }
    }
    let column_scales = load(&column_scales[0]);
    for ((values, sums), &row_scale) in tile.iter_mut().zip(sums).zip(row_scales) {
        store(values, sums, row_scale, column_scales, add);
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(
    values: &mut [f32; COLUMNS],
    sums: [__m512i; 2],
    row_scale: u32,
    column_scales: [__m512i; 2],
    add: bool,
) {
    let row_scale = _mm512_set1_ps(f32::from_bits(row_scale));
    let vectors = values.as_chunks_mut::<16>().0.iter_mut();
    for ((vector, sum), scales) in vectors.zip(sums).zip(column_scales) {
        let scale = _mm512_mul_ps(row_scale, _mm512_castsi512_ps(scales));
        let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
        // SAFETY: 16 values are a vector.
        unsafe {
            let before = _mm512_loadu_ps(vector.as_ptr());
            let value = if add {
                _mm512_add_ps(before, scaled)
            } else {
                scaled
            };
            _mm512_storeu_ps(vector.as_mut_ptr(), value);
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(words: &[u32; COLUMNS]) -> [__m512i; 2] {
    let start = words.as_ptr();
    // SAFETY: 32 words are two vectors.
    unsafe {
        [
            _mm512_loadu_si512(start.cast()),
            _mm512_loadu_si512(start.add(16).cast()),
        ]
    }
}
