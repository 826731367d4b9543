//! What the tests share: numbers, and loops to compare the kernels with.

use half::bf16;

use crate::bytes::{Factors, Group};
use crate::element::Element;
use crate::format::{Format, GROUP};
use crate::tile::Kernel;

/// Pseudorandom numbers between −1 and 1, the same for the same seed.
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

/// The rows as `kernel` rounds them.
pub(crate) fn seen(kernel: Kernel, x: &[f32]) -> Vec<f32> {
    match kernel.left() {
        Format::F32 => x.to_vec(),
        Format::Pairs => widened(&rounded(x)),
        Format::Bytes(_) => unreachable!("integers are compared with integers"),
    }
}

/// x·Wᵀ in f64.
pub(crate) fn product(
    x: &[f32],
    weight: &[f32],
    [out_features, in_features]: [usize; 2],
) -> Vec<f64> {
    let dot = |x: &[f32], w: &[f32]| {
        let products = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w));
        products.sum::<f64>()
    };
    let row = |x| (0..out_features).map(move |o| dot(x, &weight[o * in_features..][..in_features]));
    x.chunks_exact(in_features).flat_map(row).collect()
}

/// x·Wᵀ in eight bits, in plain loops over the integers of groups.
pub(crate) fn product_of_integers(
    x: &[f32],
    weight: &[f32],
    factors: &Factors,
    [out_features, in_features]: [usize; 2],
) -> Vec<f32> {
    let groups = |rows: &[f32], factors: &[f32]| -> Vec<Vec<Group>> {
        let rows = rows.chunks_exact(in_features);
        let groups = |row: &[f32]| {
            let groups = row.chunks(GROUP).zip(factors.chunks(GROUP));
            groups.map(|(x, factors)| Group::new(x, factors)).collect()
        };
        rows.map(groups).collect()
    };
    let dot = |(x, w): (&Group, &Group)| {
        let pairs = x.integers.iter().zip(&w.integers);
        let sum: i32 = pairs.map(|(&x, &w)| i32::from(x) * i32::from(w)).sum();
        sum as f32 * (x.scale * (w.scale / GROUP as f32))
    };
    let (rows, columns) = (groups(x, &factors.rows), groups(weight, &factors.weights));
    assert_eq!(columns.len(), out_features);
    let row = |x: &Vec<Group>| -> Vec<f32> {
        let sum = |w: &Vec<Group>| x.iter().zip(w).map(dot).fold(0.0, |sum, value| sum + value);
        columns.iter().map(sum).collect()
    };
    rows.iter().flat_map(row).collect()
}

/// Relative L2 distance.
pub(crate) fn distance(found: &[f32], exact: &[f64]) -> f64 {
    assert_eq!(found.len(), exact.len());
    let pairs = || found.iter().zip(exact);
    let error: f64 = pairs().map(|(&f, e)| (f64::from(f) - e).powi(2)).sum();
    let size: f64 = exact.iter().map(|e| e * e).sum();
    (error / size.max(f64::MIN_POSITIVE)).sqrt()
}
