use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::validate::check_positive;
use crate::{
    ConfigError, FrameSampling, ProcessorClass, Resample, SamplingRule, SizeLimits, TokenLimits,
    json,
};

/// Mean of CLIP's training pixels, per channel, in 0..1 (`OPENAI_CLIP_MEAN`).
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviation of the same (`OPENAI_CLIP_STD`).
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];
/// The switches of an image processor.
const SWITCHES: [json::Switch; 3] = [
    (
        "do_resize",
        &["size", "resample", "min_image_tokens", "max_image_tokens"],
    ),
    ("do_rescale", &["rescale_factor"]),
    ("do_normalize", &["image_mean", "image_std"]),
];
/// Larger sizes are refused, as in the vision configuration.
const MAX_SIZE: usize = 1 << 20;

/// How an image becomes patch rows: `preprocessor_config.json`, or `image_processor` of `processor_config.json`.
///
/// Absent fields have the defaults of the class that `image_processor_type` names, as in transformers 5.23
/// ([`ImageProcessorConfig::default_of`]). The published checkpoints set a lower `longest_edge`; see [`crate::Preset`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageProcessorConfig {
    /// Whether to resize.
    pub do_resize: bool,
    /// Limits of the resize, in pixels over `temporal_patch_size` frames.
    pub size: SizeLimits,
    /// Limits of the resize in tokens, in place of `size`: GLM-5.3 has them. The image keeps its shape. It fills the canvas
    /// from the top left, and zeros fill the rest. Without these limits, the image is stretched to the canvas.
    #[serde(flatten, skip_deserializing)]
    pub tokens: Option<TokenLimits>,
    /// The sides of the canvas are multiples of this many tokens. GLM-5.3 and GLM-GA have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_expand_factor: Option<usize>,
    /// Filter of the resize.
    pub resample: Resample,
    /// Whether to multiply the levels 0..=255 by `rescale_factor`.
    pub do_rescale: bool,
    /// The factor, 1/255 by default.
    #[serde(deserialize_with = "json::number")]
    pub rescale_factor: f64,
    /// Whether to subtract `image_mean` and divide by `image_std`.
    pub do_normalize: bool,
    /// Mean per channel, after rescaling. A file can have one number for all channels.
    #[serde(deserialize_with = "json::channels")]
    pub image_mean: [f32; 3],
    /// Standard deviation per channel, after rescaling.
    #[serde(deserialize_with = "json::channels")]
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
            tokens: None,
            patch_expand_factor: None,
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
        Self::read(&json::object(text)?, "", ProcessorClass::default())
    }

    /// The defaults of a class of transformers 5.23.
    #[must_use]
    pub fn default_of(class: ProcessorClass) -> Self {
        match class {
            ProcessorClass::Glm4v | ProcessorClass::Glm46v => Self::default(),
            ProcessorClass::Glmga => Self {
                patch_expand_factor: Some(1),
                ..Self::default()
            },
            ProcessorClass::Glm5Next => Self {
                tokens: Some(TokenLimits {
                    min_image_tokens: 16,
                    max_image_tokens: 8000,
                }),
                patch_expand_factor: Some(1),
                ..Self::default()
            },
        }
    }

    /// Reads and validates the object of an image processor, which is the field `parent` of its file. `class` is that of an
    /// object that does not name its class.
    pub(crate) fn read(
        given: &Value,
        parent: &str,
        class: ProcessorClass,
    ) -> Result<Self, ConfigError> {
        let class = match image_processor_type(given, parent)? {
            Some(name) => ProcessorClass::of_image_processor(&name)?,
            None => class,
        };
        let config = Self::overlay(&Self::default_of(class), given, parent)?;
        config.validate()?;
        Ok(config)
    }

    /// `defaults` with the values of `given`.
    fn overlay(defaults: &Self, given: &Value, parent: &str) -> Result<Self, ConfigError> {
        let mut given = given.clone();
        if let (Some(_), Value::Object(fields)) = (defaults.tokens, &mut given) {
            // The field is a placeholder in files of GLM-5.3.
            fields.remove("size");
        }
        if let Some(size) = given.get("size").filter(|size| !size.is_null()) {
            json::check_object(size, &json::field_of(parent, "size"))?;
        }
        let fields = json::with_defaults(json!(defaults), &given, parent, &SWITCHES)?;
        let fields = Value::from(fields);
        if defaults.tokens.is_none() {
            return json::fields(fields, parent);
        }
        let tokens = json::fields(fields.clone(), parent)?;
        Ok(Self {
            tokens: Some(tokens),
            ..json::fields(fields, parent)?
        })
    }

    /// Checks that all values are supported.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first field that has an unsupported value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, size) in [
            ("patch_size", self.patch_size),
            ("temporal_patch_size", self.temporal_patch_size),
            ("merge_size", self.merge_size),
            ("patch_expand_factor", self.patch_expand_factor.unwrap_or(1)),
        ] {
            if size == 0 || size > MAX_SIZE {
                let expected = format!("a size from 1 to {MAX_SIZE}");
                return Err(ConfigError::invalid(field, expected, size));
            }
        }
        match self.tokens {
            None => check_pixels(self.size)?,
            Some(tokens) => check_tokens(tokens)?,
        }
        check_normalization(self.rescale_factor, self.image_mean, self.image_std)
    }

    /// The sides of a resized image are multiples of this factor: patch_size · merge_size · patch_expand_factor.
    #[must_use]
    pub fn factor(&self) -> usize {
        self.patch_size * self.merge_size * self.patch_expand_factor.unwrap_or(1)
    }
}

/// How a video becomes patch rows: `video_preprocessor_config.json`, or `video_processor` of `processor_config.json`.
///
/// Absent fields have the defaults of the class that `video_processor_type` names, as in transformers 5.23
/// ([`VideoProcessorConfig::default_of`]). The file has the fields of both structures at its top level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoProcessorConfig {
    /// How the sampled frames become patch rows. The limits apply to the pixels or tokens of all frames.
    #[serde(flatten)]
    pub frames: ImageProcessorConfig,
    /// Which frames are sampled.
    #[serde(flatten)]
    pub sampling: FrameSampling,
}

impl Default for VideoProcessorConfig {
    fn default() -> Self {
        Self::default_of(ProcessorClass::default())
    }
}

impl VideoProcessorConfig {
    /// Reads and validates a `video_preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        json::read_file(path.as_ref(), Self::from_json)
    }

    /// Parses and validates the text of a `video_preprocessor_config.json`, or of a `preprocessor_config.json` in its place.
    ///
    /// # Errors
    /// [`ConfigError`] for text that is not JSON, or a field with an unsupported value.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        Self::read(&json::object(text)?, "", ProcessorClass::default())
    }

    /// The defaults of a class of transformers 5.23.
    #[must_use]
    pub fn default_of(class: ProcessorClass) -> Self {
        let frames = ImageProcessorConfig::default_of(class);
        let pixels = |longest_edge| SizeLimits {
            longest_edge,
            ..frames.size
        };
        let (size, tokens) = match class {
            ProcessorClass::Glm4v | ProcessorClass::Glm46v => (pixels(28 * 28 * 2 * 30_000), None),
            ProcessorClass::Glmga => (pixels(28 * 28 * 2 * 55_790), None),
            ProcessorClass::Glm5Next => (
                frames.size,
                Some(TokenLimits {
                    min_image_tokens: 16,
                    max_image_tokens: 240_000,
                }),
            ),
        };
        Self {
            frames: ImageProcessorConfig {
                size,
                tokens,
                ..frames
            },
            sampling: FrameSampling::default_of(class.sampling_rule()),
        }
    }

    /// Reads and validates the object of a video processor, which is the field `parent` of its file. An object that names
    /// only the class of an image processor has the video processor of the same model, as in transformers. `class` is that of
    /// an object that names no class.
    pub(crate) fn read(
        given: &Value,
        parent: &str,
        class: ProcessorClass,
    ) -> Result<Self, ConfigError> {
        let class = match video_rule(given, parent)? {
            Some(rule) => rule.into(),
            None => match image_processor_type(given, parent)? {
                Some(name) => ProcessorClass::of_videos_beside(&name)?.unwrap_or(class),
                None => class,
            },
        };
        let defaults = Self::default_of(class);
        let config = Self {
            frames: ImageProcessorConfig::overlay(&defaults.frames, given, parent)?,
            sampling: FrameSampling::overlay(&defaults.sampling, given, parent)?,
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

fn image_processor_type(given: &Value, parent: &str) -> Result<Option<String>, ConfigError> {
    #[derive(Deserialize)]
    struct Class {
        image_processor_type: Option<String>,
    }
    let class: Class = json::fields(given.clone(), parent)?;
    Ok(class.image_processor_type)
}

/// The rule that `video_processor_type` names, if it is there.
fn video_rule(given: &Value, parent: &str) -> Result<Option<SamplingRule>, ConfigError> {
    #[derive(Deserialize)]
    struct Class {
        video_processor_type: Option<SamplingRule>,
    }
    let class: Class = json::fields(given.clone(), parent)?;
    Ok(class.video_processor_type)
}

fn check_pixels(size: SizeLimits) -> Result<(), ConfigError> {
    if size.shortest_edge == 0 {
        return Err(ConfigError::invalid("size.shortest_edge", "at least 1", 0));
    }
    if size.longest_edge == 0 {
        return Err(ConfigError::invalid("size.longest_edge", "at least 1", 0));
    }
    Ok(())
}

fn check_tokens(tokens: TokenLimits) -> Result<(), ConfigError> {
    if tokens.max_image_tokens == 0 {
        return Err(ConfigError::invalid("max_image_tokens", "at least 1", 0));
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
mod tests;
