use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::validate::check_positive;
use crate::{ConfigError, FrameSampling, json};

/// Mean of CLIP's training pixels, per channel, in 0..1 (`OPENAI_CLIP_MEAN`).
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviation of the same (`OPENAI_CLIP_STD`).
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];
/// Larger sizes are refused, as in the vision configuration.
const MAX_SIZE: usize = 1 << 20;

/// How many pixels a resized image may have. For a video, the pixels of all frames count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeLimits {
    /// Minimum number of pixels, despite its name.
    pub shortest_edge: usize,
    /// Maximum number of pixels, despite its name.
    pub longest_edge: usize,
}

/// The resize filter, by its number in Pillow (`resample`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Resample {
    /// Number 3, with antialiasing. Every published checkpoint uses it.
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

/// How an image becomes patch rows: `preprocessor_config.json`.
///
/// Absent fields have the defaults of `Glm4vImageProcessor` in transformers 5.23. The published checkpoints set a lower
/// `longest_edge`; see [`crate::Preset`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageProcessorConfig {
    /// Whether to resize.
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
    /// Whether images with a palette, gray levels or alpha are converted to RGB. Otherwise they are refused.
    pub do_convert_rgb: bool,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames in a patch. An image is repeated this many times.
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
    /// [`ConfigError`] for text that is not JSON, or a field with an unsupported value.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let config: Self = json::fields(json::object(text)?, "")?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that all values are supported.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first field that has an unsupported value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_patch(self.patch_size, self.temporal_patch_size, self.merge_size)?;
        check_limits(self.size)?;
        check_normalization(self.rescale_factor, self.image_mean, self.image_std)
    }

    /// The sides of a resized image are multiples of this factor: patch_size · merge_size.
    #[must_use]
    pub const fn factor(&self) -> usize {
        self.patch_size * self.merge_size
    }
}

/// How a video becomes patch rows: `video_preprocessor_config.json`.
///
/// Absent fields have the defaults of `Glm4vVideoProcessor` and `Glm46VVideoProcessor` in transformers 5.23, which are
/// the same. The file has the fields of both structures at its top level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoProcessorConfig {
    /// How the sampled frames become patch rows. The limits of `size` apply to the pixels of all frames.
    #[serde(flatten)]
    pub frames: ImageProcessorConfig,
    /// Which frames are sampled.
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
    /// The limits of a video's resize, if the file has none: pixels of all frames.
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
    /// [`ConfigError`] for text that is not JSON, or a field with an unsupported value.
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

    /// Checks that all values are supported.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first field that has an unsupported value.
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
    fn a_video_configuration_is_read_as_it_was_written() {
        let mut config = VideoProcessorConfig::default();
        config.sampling.video_processor_type = SamplingRule::Glm46v;
        config.sampling.fps = 0.5;
        config.frames.temporal_patch_size = 4;
        let text = serde_json::to_string(&config).unwrap();
        assert!(text.contains(r#""video_processor_type":"Glm46VVideoProcessor""#));
        assert_eq!(VideoProcessorConfig::from_json(&text).unwrap(), config);
    }
}
