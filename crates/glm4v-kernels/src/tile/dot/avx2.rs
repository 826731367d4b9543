//! AVX2: quarters of a tile, 6×16 values, whose 12 sums fit the 16 registers.
//!
//! `VPMADDUBSW` multiplies unsigned bytes by signed ones, and adds two products in i16. The unsigned operand is the size of a
//! weight, and `VPSIGNB` gives its sign to the row's integer. Integers are at most 127, so two products are at most 32,258:
//! nothing saturates. `VPMADDWD` by ones then adds pairs of these sums in i32.
//!
//! `VPMADDWD` on i16 alone needs as many instructions, but panels of twice the size.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::split;
use crate::format::Bytes;
use crate::tile::{COLUMNS, Tile, VECTOR_ROWS as ROWS};

const HALF_ROWS: usize = ROWS / 2;
const QUARTERS: [(usize, usize); 4] = [(0, 0), (HALF_ROWS, 0), (0, 16), (HALF_ROWS, 16)];

#[target_feature(enable = "avx2")]
pub(super) fn bytes(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, row_scales) = split::<ROWS>(left, Bytes::Signed);
    let (right, column_scales) = split::<COLUMNS>(right, Bytes::Signed);
    let ones = _mm256_set1_epi16(1);
    for (row, column) in QUARTERS {
        let mut sums = [[_mm256_setzero_si256(); 2]; HALF_ROWS];
        for (left, right) in left.iter().zip(right) {
            let [first, second] = load(right, column);
            let sizes = [_mm256_abs_epi8(first), _mm256_abs_epi8(second)];
            for (sums, &left) in sums.iter_mut().zip(&left[row..row + HALF_ROWS]) {
                let left = _mm256_set1_epi32(left as i32);
                let first = _mm256_maddubs_epi16(sizes[0], _mm256_sign_epi8(left, first));
                let second = _mm256_maddubs_epi16(sizes[1], _mm256_sign_epi8(left, second));
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(first, ones));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(second, ones));
            }
        }
        let column_scales = load(&column_scales[0], column);
        for (row, sums) in (row..).zip(sums) {
            let values = &mut tile[row][column..column + 16];
            store(values, sums, row_scales[0][row], column_scales, add);
        }
    }
}

/// Scales the sums of a row, and stores them or adds them to the values.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn store(
    values: &mut [f32],
    sums: [__m256i; 2],
    row_scale: u32,
    column_scales: [__m256i; 2],
    add: bool,
) {
    let row_scale = _mm256_set1_ps(f32::from_bits(row_scale));
    let vectors = values.as_chunks_mut::<8>().0.iter_mut();
    for ((vector, sum), scales) in vectors.zip(sums).zip(column_scales) {
        let scale = _mm256_mul_ps(row_scale, _mm256_castsi256_ps(scales));
        let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
        // SAFETY: 8 values are a vector.
        unsafe {
            let before = _mm256_loadu_ps(vector.as_ptr());
            let value = if add {
                _mm256_add_ps(before, scaled)
            } else {
                scaled
            };
            _mm256_storeu_ps(vector.as_mut_ptr(), value);
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load(words: &[u32; COLUMNS], column: usize) -> [__m256i; 2] {
    let words = &words[column..column + 16];
    // SAFETY: 16 words are two vectors.
    unsafe {
        [
            _mm256_loadu_si256(words.as_ptr().cast()),
            _mm256_loadu_si256(words.as_ptr().add(8).cast()),
        ]
    }
}
