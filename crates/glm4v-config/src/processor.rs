use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{ConfigError, FrameSampling, json};

/// Mean of CLIP's training pixels, per channel, in 0..1 (`OPENAI_CLIP_MEAN`).
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviation of the same (`OPENAI_CLIP_STD`).
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];
/// Sides above this are refused, as in the vision configuration.
const MAX_SIZE: usize = 1 << 20;

/// How many pixels a resized picture may have; for a clip, frames count too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeLimits {
    /// Fewest pixels, despite its name.
    pub shortest_edge: usize,
    /// Most pixels, despite its name.
    pub longest_edge: usize,
}

/// The resize filter, by its number in Pillow (`resample`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[non_exhaustive]
pub enum Resample {
    /// 3, antialiased; what every published checkpoint uses.
    #[default]
    Bicubic,
}

impl TryFrom<u8> for Resample {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            3 => Ok(Self::Bicubic),
            _ => Err(format!("expected 3 (bicubic), found {number}")),
        }
    }
}

impl From<Resample> for u8 {
    fn from(resample: Resample) -> Self {
        match resample {
            Resample::Bicubic => 3,
        }
    }
}

/// How a still becomes patch rows: `preprocessor_config.json` (`Glm4vImageProcessor` of transformers 5.23, whose
/// defaults stand for absent fields; the published checkpoints set a lower `longest_edge`, see [`crate::Preset`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageProcessorConfig {
    /// Whether to resize at all.
    pub do_resize: bool,
    /// Limits of the resize, in pixels over `temporal_patch_size` frames.
    pub size: SizeLimits,
    /// Filter of the resize.
    pub resample: Resample,
    /// Whether to multiply the levels 0..=255 by `rescale_factor`.
    pub do_rescale: bool,
    /// The factor, 1/255 by default.
    pub rescale_factor: f64,
    /// Whether to subtract `image_mean` and divide by `image_std`.
    pub do_normalize: bool,
    /// Mean per channel, after rescaling.
    pub image_mean: [f32; 3],
    /// Standard deviation per channel, after rescaling.
    pub image_std: [f32; 3],
    /// Whether palettes, gray and alpha are converted to RGB; a picture in such a mode is refused otherwise.
    pub do_convert_rgb: bool,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames in a patch; a still is repeated that often.
    pub temporal_patch_size: usize,
    /// Side, in patches, of the square that becomes one token.
    pub merge_size: usize,
}

impl Default for ImageProcessorConfig {
    fn default() -> Self {
        Self {
            do_resize: true,
            size: SizeLimits {
                shortest_edge: 112 * 112,
                longest_edge: 28 * 28 * 15_000,
            },
            resample: Resample::Bicubic,
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean: CLIP_MEAN,
            image_std: CLIP_STD,
            do_convert_rgb: true,
            patch_size: 14,
            temporal_patch_size: 2,
            merge_size: 2,
        }
    }
}

impl ImageProcessorConfig {
    /// Reads and validates a `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        json::read_file(path.as_ref(), Self::from_json)
    }

    /// Parses and validates the text of a `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ConfigError`] for text that is not JSON or a field that cannot be honoured.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let config: Self = json::fields(json::object(text)?, "")?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that the values fit together.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first field that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_patch(self.patch_size, self.temporal_patch_size, self.merge_size)?;
        check_limits(self.size)?;
        check_normalization(self.rescale_factor, self.image_mean, self.image_std)
    }

    /// Sides of a resized picture are multiples of this: patch_size · merge_size.
    #[must_use]
    pub const fn factor(&self) -> usize {
        self.patch_size * self.merge_size
    }
}

/// How a clip becomes patch rows: `video_preprocessor_config.json` (`Glm4vVideoProcessor` and `Glm46VVideoProcessor` of
/// transformers 5.23, whose defaults, the same in both, stand for absent fields). In the file, both parts lie side by
/// side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoProcessorConfig {
    /// How the sampled frames become patch rows; the limits of `size` hold over all frames together.
    #[serde(flatten)]
    pub frames: ImageProcessorConfig,
    /// Which frames are taken.
    #[serde(flatten)]
    pub sampling: FrameSampling,
}

impl Default for VideoProcessorConfig {
    fn default() -> Self {
        Self {
            frames: ImageProcessorConfig {
                size: Self::DEFAULT_SIZE,
                ..ImageProcessorConfig::default()
            },
            sampling: FrameSampling::default(),
        }
    }
}

impl VideoProcessorConfig {
    /// Limits of a clip's resize, in pixels over all frames, where the file gives none.
    pub const DEFAULT_SIZE: SizeLimits = SizeLimits {
        shortest_edge: 112 * 112,
        longest_edge: 28 * 28 * 2 * 30_000,
    };

    /// Reads and validates a `video_preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        json::read_file(path.as_ref(), Self::from_json)
    }

    /// Parses and validates the text of a `video_preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ConfigError`] for text that is not JSON or a field that cannot be honoured.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let value = json::object(text)?;
        let mut frames: ImageProcessorConfig = json::fields(value.clone(), "")?;
        if value.get("size").is_none() {
            frames.size = Self::DEFAULT_SIZE;
        }
        let config = Self {
            frames,
            sampling: json::fields(value, "")?,
        };
        config.validate()?;
        Ok(config)
    }

    /// Checks that the values fit together.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first field that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.frames.validate()?;
        self.sampling.validate()
    }
}

fn check_patch(patch: usize, temporal: usize, merge: usize) -> Result<(), ConfigError> {
    for (field, size) in [
        ("patch_size", patch),
        ("temporal_patch_size", temporal),
        ("merge_size", merge),
    ] {
        if size == 0 || size > MAX_SIZE {
            let expected = format!("a size from 1 to {MAX_SIZE}");
            return Err(ConfigError::invalid(field, expected, size));
        }
    }
    Ok(())
}

fn check_limits(size: SizeLimits) -> Result<(), ConfigError> {
    if size.shortest_edge == 0 {
        return Err(ConfigError::invalid("size.shortest_edge", "at least 1", 0));
    }
    if size.longest_edge < size.shortest_edge {
        let expected = format!("at least size.shortest_edge ({})", size.shortest_edge);
        return Err(ConfigError::invalid(
            "size.longest_edge",
            expected,
            size.longest_edge,
        ));
    }
    Ok(())
}

fn check_normalization(factor: f64, mean: [f32; 3], std: [f32; 3]) -> Result<(), ConfigError> {
    check_positive("rescale_factor", factor)?;
    for value in std {
        check_positive("image_std", f64::from(value))?;
    }
    match mean.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(ConfigError::invalid("image_mean", "finite numbers", value)),
        None => Ok(()),
    }
}

pub(crate) fn check_positive(field: &'static str, value: f64) -> Result<(), ConfigError> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(ConfigError::invalid(field, "a positive number", value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SamplingRule;

    #[test]
    fn absent_fields_are_the_references_defaults() {
        let image = ImageProcessorConfig::from_json("{}").unwrap();
        assert_eq!(image.size.longest_edge, 11_760_000);
        let video = VideoProcessorConfig::from_json("{}").unwrap();
        assert_eq!(video.frames.size.longest_edge, 47_040_000);
        assert_eq!(video, VideoProcessorConfig::default());
    }

    #[test]
    fn present_fields_are_read_and_unknown_ones_ignored() {
        let config = ImageProcessorConfig::from_json(
            r#"{"size": {"shortest_edge": 1, "longest_edge": 9}, "merge_size": 3, "patch_size": 16,
                "image_processor_type": "Glm4vImageProcessor", "resample": 3, "do_rescale": false}"#,
        )
        .unwrap();
        assert_eq!(config.factor(), 48);
        assert!(!config.do_rescale);
    }

    #[test]
    fn refusals_name_the_field() {
        for (json, field) in [
            (r#"{"resample": 2}"#, "resample"),
            (r#"{"image_mean": [0.5]}"#, "image_mean"),
            (r#"{"image_std": [1, 0, 1]}"#, "image_std"),
            (r#"{"merge_size": 0}"#, "merge_size"),
            (r#"{"rescale_factor": 0}"#, "rescale_factor"),
            (
                r#"{"size": {"shortest_edge": 9, "longest_edge": 4}}"#,
                "size.longest_edge",
            ),
            (r#"{"size": {"height": 9}}"#, "size"),
        ] {
            let message = ImageProcessorConfig::from_json(json)
                .unwrap_err()
                .to_string();
            assert!(message.contains(&format!("`{field}")), "{json}: {message}");
        }
        let message = VideoProcessorConfig::from_json(r#"{"fps": 0}"#).unwrap_err();
        assert!(message.to_string().contains("`fps`"));
        let message = VideoProcessorConfig::from_json(r#"{"video_processor_type": "Other"}"#)
            .unwrap_err()
            .to_string();
        for part in [
            "`video_processor_type`",
            "`Other`",
            "`Glm4vVideoProcessor`",
            "`Glm46VVideoProcessor`",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_clips_configuration_is_read_as_it_was_written() {
        let mut config = VideoProcessorConfig::default();
        config.sampling.video_processor_type = SamplingRule::Glm46v;
        config.sampling.fps = 0.5;
        config.frames.temporal_patch_size = 4;
        let text = serde_json::to_string(&config).unwrap();
        assert!(text.contains(r#""video_processor_type":"Glm46VVideoProcessor""#));
        assert_eq!(VideoProcessorConfig::from_json(&text).unwrap(), config);
    }
}
