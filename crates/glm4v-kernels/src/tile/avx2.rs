//! AVX2: quarters of a tile, 6×16 values, whose 12 sums fit the 16 registers.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{COLUMNS, Tile, VECTOR_ROWS as ROWS};

const HALF_ROWS: usize = ROWS / 2;

type Sums = [[__m256; 2]; HALF_ROWS];

#[target_feature(enable = "avx2,fma")]
pub(super) fn f32(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let (left, _) = left.as_chunks::<ROWS>();
    let (right, _) = right.as_chunks::<COLUMNS>();
    for (row, column) in QUARTERS {
        let mut sums = [[_mm256_setzero_ps(); 2]; HALF_ROWS];
        for (left, right) in left.iter().zip(right) {
            let right = load(right, column).map(|words| _mm256_castsi256_ps(words));
            fuse(&mut sums, &left[row..row + HALF_ROWS], right);
        }
        store(&sums, tile, row, column, add);
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn scale(tile: &mut Tile, factors: &[f32; COLUMNS]) {
    let (factors, _) = factors.as_chunks::<8>();
    for row in tile {
        for (quarter, factors) in row.as_chunks_mut::<8>().0.iter_mut().zip(factors) {
            // SAFETY: 8 values are a vector.
            unsafe {
                let values = _mm256_loadu_ps(quarter.as_ptr());
                let scaled = _mm256_mul_ps(values, _mm256_loadu_ps(factors.as_ptr()));
                _mm256_storeu_ps(quarter.as_mut_ptr(), scaled);
            }
        }
    }
}

const QUARTERS: [(usize, usize); 4] = [(0, 0), (HALF_ROWS, 0), (0, 16), (HALF_ROWS, 16)];

#[target_feature(enable = "avx2,fma")]
#[inline]
fn fuse(sums: &mut Sums, left: &[u32], right: [__m256; 2]) {
    for (sums, &left) in sums.iter_mut().zip(left) {
        let left = _mm256_set1_ps(f32::from_bits(left));
        sums[0] = _mm256_fmadd_ps(left, right[0], sums[0]);
        sums[1] = _mm256_fmadd_ps(left, right[1], sums[1]);
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(right: &[u32; COLUMNS], column: usize) -> [__m256i; 2] {
    let right = &right[column..column + 16];
    // SAFETY: 16 words are two vectors.
    unsafe {
        [
            _mm256_loadu_si256(right.as_ptr().cast()),
            _mm256_loadu_si256(right.as_ptr().add(8).cast()),
        ]
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(sums: &Sums, tile: &mut Tile, row: usize, column: usize, add: bool) {
    for (offset, sums) in sums.iter().enumerate() {
        let (vectors, _) = tile[row + offset][column..column + 16].as_chunks_mut::<8>();
        for (vector, &sum) in vectors.iter_mut().zip(sums) {
            // SAFETY: 8 values are a vector.
            unsafe {
                let before = _mm256_loadu_ps(vector.as_ptr());
                let sum = if add { _mm256_add_ps(before, sum) } else { sum };
                _mm256_storeu_ps(vector.as_mut_ptr(), sum);
            }
        }
    }
}
