//! What the tests share: numbers, and plain loops to hold the kernels against.

use half::bf16;

use crate::element::Element;
use crate::tile::{Format, Kernel};

/// Numbers between −1 and 1 that look random, and are the same every time.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

pub(crate) fn rounded(values: &[f32]) -> Vec<bf16> {
    values
        .iter()
        .map(|&value| Element::from_f32(value))
        .collect()
}

pub(crate) fn widened(values: &[bf16]) -> Vec<f32> {
    values.iter().map(|value| value.to_f32()).collect()
}

/// Rows as `kernel` multiplies them.
pub(crate) fn seen(kernel: Kernel, x: &[f32]) -> Vec<f32> {
    match kernel.left() {
        Format::F32 => x.to_vec(),
        Format::Pairs => widened(&rounded(x)),
    }
}

/// x·Wᵀ in f64.
pub(crate) fn product(x: &[f32], weight: &[f32], [outer, inner]: [usize; 2]) -> Vec<f64> {
    let dot = |x: &[f32], w: &[f32]| {
        let products = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w));
        products.sum::<f64>()
    };
    let row = |x| (0..outer).map(move |o| dot(x, &weight[o * inner..][..inner]));
    x.chunks_exact(inner).flat_map(row).collect()
}

/// Relative L2 distance.
pub(crate) fn distance(found: &[f32], exact: &[f64]) -> f64 {
    assert_eq!(found.len(), exact.len());
    let pairs = || found.iter().zip(exact);
    let error: f64 = pairs().map(|(&f, e)| (f64::from(f) - e).powi(2)).sum();
    let size: f64 = exact.iter().map(|e| e * e).sum();
    (error / size.max(f64::MIN_POSITIVE)).sqrt()
}
