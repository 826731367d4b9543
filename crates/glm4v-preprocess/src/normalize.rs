use glm4v_config::ImageProcessorConfig;

/// What each of the 256 levels of each channel becomes.
pub(crate) struct Levels([[f32; 256]; 3]);

impl Levels {
    pub(crate) fn new(config: &ImageProcessorConfig) -> Self {
        let channels = [0, 1, 2];
        Self(
            channels
                .map(|channel| std::array::from_fn(|level| value(config, channel, level as f32))),
        )
    }

    pub(crate) fn channel(&self, channel: usize) -> &[f32; 256] {
        &self.0[channel]
    }
}

/// Rescales and normalizes one level, in the reference's order and precision.
fn value(config: &ImageProcessorConfig, channel: usize, level: f32) -> f32 {
    let (mean, std) = (config.image_mean[channel], config.image_std[channel]);
    match (config.do_rescale, config.do_normalize) {
        // torchvision moves the factor into mean and deviation, which rounds differently from rescaling first.
        (true, true) => {
            let levels = (1.0 / config.rescale_factor) as f32;
            (level - mean * levels) / (std * levels)
        }
        (false, true) => (level - mean) / std,
        (true, false) => level * config.rescale_factor as f32,
        (false, false) => level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(do_rescale: bool, do_normalize: bool) -> ImageProcessorConfig {
        ImageProcessorConfig {
            do_rescale,
            do_normalize,
            rescale_factor: 0.25,
            image_mean: [0.5, 1.0, 2.0],
            image_std: [0.5, 0.25, 4.0],
            ..ImageProcessorConfig::default()
        }
    }

    #[test]
    fn every_combination_of_the_switches() {
        // Level 6 is 1.5 when rescaled; (1.5 − 0.5) / 0.5 = 2, (1.5 − 1) / 0.25 = 2, (1.5 − 2) / 4 = −0.125.
        for (do_rescale, do_normalize, expected) in [
            (true, true, [2.0, 2.0, -0.125]),
            (false, true, [11.0, 20.0, 1.0]),
            (true, false, [1.5, 1.5, 1.5]),
            (false, false, [6.0, 6.0, 6.0]),
        ] {
            let levels = Levels::new(&config(do_rescale, do_normalize));
            assert_eq!(
                [0, 1, 2].map(|channel| levels.channel(channel)[6]),
                expected
            );
        }
    }

    #[test]
    fn black_and_white_under_the_published_values() {
        let levels = Levels::new(&ImageProcessorConfig::default());
        assert!((levels.channel(0)[0] - -1.792_262_7).abs() < 1e-6);
        assert!((levels.channel(2)[255] - 2.145_897).abs() < 1e-6);
    }
}
