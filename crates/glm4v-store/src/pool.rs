use serde::{Deserialize, Serialize};

/// What is stored of the tokens of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// Every token.
    None,
    /// One row: the mean over all tokens, summed in f64.
    Mean,
}

impl Pool {
    /// All ways.
    pub const ALL: [Self; 2] = [Self::None, Self::Mean];

    /// The name on the command line and in `manifest.json`: `none` or `mean`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mean => "mean",
        }
    }
}

impl std::fmt::Display for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The mean of the rows of `tokens`, which are `width` values each.
pub(crate) fn mean(tokens: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0f64; width];
    for token in tokens.chunks_exact(width) {
        for (sum, &value) in sums.iter_mut().zip(token) {
            *sum += f64::from(value);
        }
    }
    let count = (tokens.len() / width) as f64;
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_tokens() {
        assert_eq!(mean(&[1.0, 10.0, 2.0, 20.0, 6.0, 60.0], 2), [3.0, 30.0]);
    }

    #[test]
    fn sums_are_exact_where_f32_is_not() {
        // In f32, 2²⁴ + 1 is 2²⁴.
        assert_eq!(mean(&[16_777_216.0, 1.0, 1.0, -16_777_216.0], 1), [0.5]);
    }

    #[test]
    fn nan_is_kept() {
        let found = mean(&[1.0, f32::NAN, 3.0, 4.0], 2);
        assert_eq!(found[0], 2.0);
        assert!(found[1].is_nan());
    }
}
