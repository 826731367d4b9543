use crate::{ConfigError, ImageProcessorConfig};

/// Limits in place of those of a configuration: for all inputs, or for one of them.
///
/// A limit that is `None` keeps the configuration's value. The value gives way if it contradicts the other limit: with a
/// maximum below the configured minimum, the minimum becomes that maximum.
///
/// ```
/// use glm4v_config::{Preset, SizeBudget};
///
/// let config = Preset::Glm41V9B.image_processor();
/// let budget = SizeBudget::Tokens { min: None, max: Some(1000) };
/// assert_eq!(config.within(budget)?.size.longest_edge, 1000 * 28 * 28 * 2);
/// # Ok::<(), glm4v_config::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeBudget {
    /// Pixels, as in [`crate::SizeLimits`]. An image counts `temporal_patch_size` times.
    Pixels {
        /// Minimum number of pixels.
        min: Option<usize>,
        /// Maximum number of pixels.
        max: Option<usize>,
    },
    /// Tokens, as in [`crate::TokenLimits`].
    Tokens {
        /// Minimum number of tokens.
        min: Option<usize>,
        /// Maximum number of tokens.
        max: Option<usize>,
    },
}

impl SizeBudget {
    fn check(self) -> Result<(), ConfigError> {
        let (Self::Pixels { min, max } | Self::Tokens { min, max }) = self;
        match (min, max) {
            (Some(min), Some(max)) if min > max => {
                let expected = format!("at least the minimum ({min})");
                Err(ConfigError::invalid("maximum size", expected, max))
            }
            _ => Ok(()),
        }
    }
}

impl ImageProcessorConfig {
    /// This configuration with the limits of `budget`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for limits in pixels if the configuration has [`ImageProcessorConfig::tokens`], for a
    /// limit of 0 pixels, and for a minimum above the maximum.
    pub fn within(&self, budget: SizeBudget) -> Result<Self, ConfigError> {
        budget.check()?;
        let mut config = self.clone();
        match (budget, &mut config.tokens) {
            (SizeBudget::Tokens { min, max }, Some(tokens)) => {
                (tokens.min_image_tokens, tokens.max_image_tokens) =
                    limits(min, max, (tokens.min_image_tokens, tokens.max_image_tokens));
            }
            (SizeBudget::Tokens { min, max }, None) => {
                let pixels = |tokens: usize| tokens.saturating_mul(self.pixels_per_token());
                config.limit_pixels(min.map(pixels), max.map(pixels));
            }
            (SizeBudget::Pixels { min, max }, None) => config.limit_pixels(min, max),
            (SizeBudget::Pixels { .. }, Some(_)) => {
                return Err(ConfigError::invalid(
                    "size",
                    "limits in tokens, because the processor of this model has no limits in pixels",
                    "limits in pixels",
                ));
            }
        }
        config.validate()?;
        Ok(config)
    }

    fn limit_pixels(&mut self, min: Option<usize>, max: Option<usize>) {
        let size = &mut self.size;
        (size.shortest_edge, size.longest_edge) =
            limits(min, max, (size.shortest_edge, size.longest_edge));
    }

    fn pixels_per_token(&self) -> usize {
        let side = self.patch_size.saturating_mul(self.merge_size);
        side.saturating_mul(side)
            .saturating_mul(self.temporal_patch_size)
    }
}

/// The given limits. A limit that is not given is the configured one, unless that contradicts the other limit.
fn limits(
    min: Option<usize>,
    max: Option<usize>,
    (configured_min, configured_max): (usize, usize),
) -> (usize, usize) {
    (
        min.unwrap_or(configured_min.min(max.unwrap_or(usize::MAX))),
        max.unwrap_or(configured_max.max(min.unwrap_or(0))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Preset, ProcessorClass, TokenLimits};

    fn size(budget: SizeBudget) -> (usize, usize) {
        let config = Preset::Glm41V9B.image_processor().within(budget).unwrap();
        (config.size.shortest_edge, config.size.longest_edge)
    }

    #[test]
    fn tokens_are_counted_in_pixels_of_all_frames() {
        let (min, max) = (Some(2), Some(5));
        assert_eq!(size(SizeBudget::Tokens { min, max }), (2 * 1568, 5 * 1568));
        assert_eq!(size(SizeBudget::Pixels { min, max }), (2, 5));
    }

    #[test]
    fn a_single_limit_wins_over_the_configured_ones() {
        let tokens = |min, max| size(SizeBudget::Tokens { min, max });
        assert_eq!(tokens(None, None), (12_544, 9_633_792));
        assert_eq!(tokens(None, Some(100)), (12_544, 156_800));
        assert_eq!(tokens(None, Some(4)), (6272, 6272));
        assert_eq!(tokens(Some(7000), None), (10_976_000, 10_976_000));
        assert_eq!(tokens(None, Some(usize::MAX)).1, usize::MAX);
    }

    #[test]
    fn limits_in_tokens_replace_those_of_the_file() {
        let config = ImageProcessorConfig::default_of(ProcessorClass::Glm5Next);
        let budget = SizeBudget::Tokens {
            min: None,
            max: Some(9),
        };
        let expected = TokenLimits {
            min_image_tokens: 9,
            max_image_tokens: 9,
        };
        assert_eq!(config.within(budget).unwrap().tokens, Some(expected));
        let budget = SizeBudget::Pixels {
            min: None,
            max: Some(9),
        };
        let message = config.within(budget).unwrap_err().to_string();
        assert!(message.contains("limits in tokens"), "{message}");
    }

    #[test]
    fn impossible_limits_are_refused() {
        let config = Preset::Glm41V9B.image_processor();
        for (min, max) in [(Some(0), None), (None, Some(0)), (Some(9), Some(8))] {
            assert!(config.within(SizeBudget::Pixels { min, max }).is_err());
        }
    }
}
