use std::fmt;
use std::str::FromStr;

use crate::{
    ConfigError, ImageProcessorConfig, ModelType, ProcessorClass, SizeLimits, VideoProcessorConfig,
    VisionConfig, VisionModelType,
};

/// A configuration that needs no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// 1 block of width 128, for tests.
    Tiny,
    /// 6 blocks of width 384.
    Small,
    /// 12 blocks of width 768.
    Medium,
    /// The tower of GLM-OCR: 24 blocks of width 1024.
    GlmOcr,
    /// The tower of GLM-5.3-Flash: 24 blocks of width 1024.
    Glm53Flash,
    /// GLM-4.5V: 24 blocks of width 1536.
    Glm45V,
    /// GLM-4.6V: the tower of GLM-4.5V, with another rule to sample frames.
    Glm46V,
    /// GLM-4.1V-9B: 24 blocks of width 1536.
    Glm41V9B,
    /// GLM-4.6V-Flash: the tower of GLM-4.1V-9B, with another rule to sample frames.
    Glm46VFlash,
    /// GLM-GA: the tower of GLM-4.6V-Flash, with other processors.
    GlmGa,
}

impl Preset {
    /// Every preset, smallest first.
    pub const ALL: [Self; 10] = [
        Self::Tiny,
        Self::Small,
        Self::Medium,
        Self::GlmOcr,
        Self::Glm53Flash,
        Self::Glm45V,
        Self::Glm46V,
        Self::Glm41V9B,
        Self::Glm46VFlash,
        Self::GlmGa,
    ];

    /// The name used on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::GlmOcr => "glm-ocr",
            Self::Glm53Flash => "glm-5.3-flash",
            Self::Glm45V => "glm-4.5v",
            Self::Glm46V => "glm-4.6v",
            Self::Glm41V9B => "glm-4.1v-9b",
            Self::Glm46VFlash => "glm-4.6v-flash",
            Self::GlmGa => "glm-ga",
        }
    }

    /// The model that this preset describes.
    #[must_use]
    pub const fn model_type(self) -> ModelType {
        match self {
            Self::Tiny | Self::Small | Self::Medium | Self::Glm41V9B => ModelType::Glm4v,
            Self::Glm45V => ModelType::Glm4vMoe,
            Self::Glm46V | Self::Glm46VFlash => ModelType::Glm46v,
            Self::GlmOcr => ModelType::GlmOcr,
            Self::Glm53Flash => ModelType::Glm5Next,
            Self::GlmGa => ModelType::Glmga,
        }
    }

    /// The vision tower's configuration.
    #[must_use]
    pub fn vision(self) -> VisionConfig {
        let (dense, moe) = (
            VisionModelType::Glm4vVision,
            VisionModelType::Glm4vMoeVision,
        );
        let (model_type, depth, hidden_size, num_heads, out_hidden_size, intermediate_size) =
            match self {
                Self::Tiny => (dense, 1, 128, 2, 256, 768),
                Self::Small => (dense, 6, 384, 6, 1024, 3072),
                Self::Medium => (dense, 12, 768, 12, 2048, 6144),
                Self::GlmOcr => return VisionConfig::default_of(VisionModelType::GlmOcrVision),
                Self::Glm53Flash => {
                    return VisionConfig {
                        image_size: 448,
                        out_hidden_size: 4096,
                        ..VisionConfig::default_of(VisionModelType::Glm5NextVision)
                    };
                }
                Self::Glm45V | Self::Glm46V => (moe, 24, 1536, 12, 4096, 10944),
                Self::Glm41V9B | Self::Glm46VFlash | Self::GlmGa => {
                    (dense, 24, 1536, 12, 4096, 13696)
                }
            };
        VisionConfig {
            model_type,
            depth,
            hidden_size,
            num_heads,
            out_hidden_size,
            intermediate_size,
            ..VisionConfig::default()
        }
    }

    /// The image processor's configuration, as in the published checkpoint.
    #[must_use]
    pub fn image_processor(self) -> ImageProcessorConfig {
        let class = self.model_type().into();
        let defaults = ImageProcessorConfig::default_of(class);
        match class {
            ProcessorClass::Glm4v | ProcessorClass::Glm46v => ImageProcessorConfig {
                size: SizeLimits {
                    shortest_edge: 112 * 112,
                    longest_edge: 28 * 28 * 2 * 6144,
                },
                ..defaults
            },
            ProcessorClass::Glmga | ProcessorClass::Glm5Next => defaults,
        }
    }

    /// The video processor's configuration, as in the published checkpoint.
    #[must_use]
    pub fn video_processor(self) -> VideoProcessorConfig {
        VideoProcessorConfig::default_of(self.model_type().into())
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| ConfigError::UnknownPreset {
                found: name.to_owned(),
                known: Self::ALL.map(Self::name).join(", "),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_found_by_name() {
        for preset in Preset::ALL {
            preset.vision().validate().unwrap();
            preset.image_processor().validate().unwrap();
            preset.video_processor().validate().unwrap();
            assert_eq!(preset.name().parse::<Preset>().unwrap(), preset);
        }
        let error = "huge".parse::<Preset>().unwrap_err().to_string();
        assert!(error.contains("`huge`") && error.contains("glm-4.1v-9b"));
    }
}
