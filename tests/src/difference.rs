/// The difference of values from the reference's.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// ‖found − expected‖ / ‖expected‖
    pub relative_l2: f64,
    /// Largest difference of one value.
    pub max_abs: f64,
    /// Cosine of the angle between the two.
    pub cosine: f64,
}

impl Difference {
    /// Compares in f64. The difference is infinite if a value is not finite, or if the numbers of values differ.
    #[must_use]
    pub fn new(found: &[f32], expected: &[f32]) -> Self {
        if found.len() != expected.len() || found.iter().any(|value| !value.is_finite()) {
            return Self {
                relative_l2: f64::INFINITY,
                max_abs: f64::INFINITY,
                cosine: 0.0,
            };
        }
        let (mut error, mut norm, mut found_norm, mut dot, mut max_abs) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (&found, &expected) in found.iter().zip(expected) {
            let (found, expected) = (f64::from(found), f64::from(expected));
            let difference = found - expected;
            error += difference * difference;
            norm += expected * expected;
            found_norm += found * found;
            dot += found * expected;
            max_abs = f64::max(max_abs, difference.abs());
        }
        Self {
            relative_l2: (error / norm).sqrt(),
            max_abs,
            cosine: dot / (norm * found_norm).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_differences() {
        let difference = Difference::new(&[3.0, 5.0], &[3.0, 4.0]);
        assert!((difference.relative_l2 - 0.2).abs() < 1e-12);
        assert_eq!(difference.max_abs, 1.0);
        assert!((difference.cosine - 29.0 / (5.0 * 34f64.sqrt())).abs() < 1e-12);
    }

    #[test]
    fn values_that_cannot_be_compared_differ_infinitely() {
        assert_eq!(
            Difference::new(&[1.0], &[1.0, 2.0]).relative_l2,
            f64::INFINITY
        );
        assert_eq!(Difference::new(&[f32::NAN], &[1.0]).max_abs, f64::INFINITY);
    }
}
