use std::path::Path;

use anyhow::{Context, Result, ensure};

/// How close embeddings are to those of transformers in f32.
#[derive(Debug, PartialEq)]
pub(super) struct Accuracy {
    pub(super) relative_l2: f64,
    /// The mean of the tokens.
    pub(super) mean_cosine: f64,
    /// Of the worst token.
    pub(super) smallest_cosine: f64,
}

impl Accuracy {
    /// Compares embeddings of `width` values for each token.
    pub(super) fn of(found: &[f32], expected: &[f32], width: usize) -> Result<Self> {
        ensure!(
            found.len() == expected.len() && width > 0 && expected.len() >= width,
            "{} values, and {} of transformers",
            found.len(),
            expected.len()
        );
        let tokens = found.chunks_exact(width).zip(expected.chunks_exact(width));
        let cosines: Vec<f64> = tokens
            .map(|(found, expected)| cosine(found, expected))
            .collect();
        let pairs = found.iter().zip(expected);
        let squared: f64 = pairs
            .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
            .sum();
        Ok(Self {
            relative_l2: (squared / dot(expected, expected)).sqrt(),
            mean_cosine: cosines.iter().sum::<f64>() / cosines.len() as f64,
            smallest_cosine: cosines.into_iter().fold(1.0, f64::min),
        })
    }
}

/// The values of a file of f32 in little-endian order.
pub(super) fn values(file: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    let values = bytes.as_chunks().0.iter();
    Ok(values.map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
    products.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_relative_to_the_expected_values() {
        // Two tokens of width 2: the first has another direction, by 3-4-5, and the second is half as long.
        let accuracy = Accuracy::of(&[3.0, 4.0, 0.0, 1.0], &[3.0, 0.0, 0.0, 2.0], 2).unwrap();
        assert!((accuracy.relative_l2 - (17.0_f64 / 13.0).sqrt()).abs() < 1e-12);
        assert!((accuracy.mean_cosine - 0.8).abs() < 1e-12);
        assert!((accuracy.smallest_cosine - 0.6).abs() < 1e-12);
    }

    #[test]
    fn another_number_of_values_is_an_error() {
        assert!(Accuracy::of(&[1.0, 2.0], &[1.0], 1).is_err());
        assert!(Accuracy::of(&[], &[], 1).is_err());
    }
}
