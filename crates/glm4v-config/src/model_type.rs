use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ConfigError;

/// Which tower of the model family: `model_type` of the vision configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisionModelType {
    /// GLM-4.1V, GLM-4.6V-Flash
    #[default]
    Glm4vVision,
    /// GLM-4.5V, GLM-4.6V: the same tower
    Glm4vMoeVision,
    /// GLM-OCR: norms on queries and keys, biases in the blocks, no position table
    GlmOcrVision,
}

/// Which model of the family: `model_type` at the top of a `config.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelType {
    /// GLM-4.1V
    #[default]
    Glm4v,
    /// GLM-4.5V
    Glm4vMoe,
    /// GLM-4.6V and GLM-4.6V-Flash. `vision_config` chooses the tower of GLM-4.5V or GLM-4.1V.
    Glm46v,
    /// GLM-OCR
    GlmOcr,
}

/// The names that transformers uses for a model and its processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformersNames {
    /// The class of the model: `architectures` of `config.json`.
    pub architecture: &'static str,
    /// `model_type` of `text_config`.
    pub text_model_type: &'static str,
    /// The class of the image processor: `image_processor_type`.
    pub image_processor: &'static str,
    /// The class of the processor for images and text: `processor_class`.
    pub processor: &'static str,
}

/// `model_type` of vision configurations. Early files of GLM-4.5V have `glm4v_moe`.
const TOWERS: [(&str, VisionModelType); 4] = [
    ("glm4v_vision", VisionModelType::Glm4vVision),
    ("glm4v_moe_vision", VisionModelType::Glm4vMoeVision),
    ("glm4v_moe", VisionModelType::Glm4vMoeVision),
    ("glm_ocr_vision", VisionModelType::GlmOcrVision),
];

impl ModelType {
    /// Every model type.
    pub const ALL: [Self; 4] = [Self::Glm4v, Self::Glm4vMoe, Self::Glm46v, Self::GlmOcr];

    /// The model that `config` describes. Without a `model_type`, it is GLM-4.1V.
    pub(crate) fn of(config: &Value) -> Result<Self, ConfigError> {
        let known = Self::ALL.map(|model_type| (model_type.name(), model_type));
        Ok(find(config, &known)?.unwrap_or_default())
    }

    /// The name in `config.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Glm4v => "glm4v",
            Self::Glm4vMoe => "glm4v_moe",
            Self::Glm46v => "glm46v",
            Self::GlmOcr => "glm_ocr",
        }
    }

    /// The names that transformers uses for this model with this tower.
    #[must_use]
    pub const fn transformers_names(self, tower: VisionModelType) -> TransformersNames {
        let (architecture, text_model_type, image_processor, processor) = match self {
            Self::Glm4v => (
                "Glm4vForConditionalGeneration",
                "glm4v_text",
                "Glm4vImageProcessor",
                "Glm4vProcessor",
            ),
            Self::Glm4vMoe => (
                "Glm4vMoeForConditionalGeneration",
                "glm4v_moe_text",
                "Glm4vImageProcessor",
                "Glm4vProcessor",
            ),
            Self::Glm46v => (
                "Glm46VForConditionalGeneration",
                match tower {
                    VisionModelType::Glm4vVision | VisionModelType::GlmOcrVision => "glm4v_text",
                    VisionModelType::Glm4vMoeVision => "glm4v_moe_text",
                },
                "Glm46VImageProcessor",
                "Glm46VProcessor",
            ),
            Self::GlmOcr => (
                "GlmOcrForConditionalGeneration",
                "glm_ocr_text",
                "Glm46VImageProcessor",
                "Glm46VProcessor",
            ),
        };
        TransformersNames {
            architecture,
            text_model_type,
            image_processor,
            processor,
        }
    }

    /// The tower, if `vision_config` has no `model_type`.
    #[must_use]
    pub const fn tower(self) -> VisionModelType {
        match self {
            Self::Glm4v | Self::Glm46v => VisionModelType::Glm4vVision,
            Self::Glm4vMoe => VisionModelType::Glm4vMoeVision,
            Self::GlmOcr => VisionModelType::GlmOcrVision,
        }
    }
}

impl VisionModelType {
    /// The tower that a vision configuration describes, if it has a `model_type`.
    pub(crate) fn of_tower(config: &Value) -> Result<Option<Self>, ConfigError> {
        find(config, &TOWERS)
    }
}

fn find<T: Copy>(config: &Value, known: &[(&str, T)]) -> Result<Option<T>, ConfigError> {
    let Some(name) = config.get("model_type").and_then(Value::as_str) else {
        return Ok(None);
    };
    match known.iter().find(|(known, _)| *known == name) {
        Some((_, model_type)) => Ok(Some(*model_type)),
        None => Err(ConfigError::UnknownModelType {
            found: name.to_owned(),
            known: known
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;

    #[test]
    fn the_tower_of_glm46v_decides_its_text_model() {
        let text = |tower| ModelType::Glm46v.transformers_names(tower).text_model_type;
        assert_eq!(text(VisionModelType::Glm4vVision), "glm4v_text");
        assert_eq!(text(VisionModelType::Glm4vMoeVision), "glm4v_moe_text");
    }

    #[test]
    fn names_belong_to_their_model() {
        for preset in Preset::ALL {
            let names = preset
                .model_type()
                .transformers_names(preset.vision().model_type);
            let architecture = names.architecture.to_lowercase();
            let model = preset.model_type().name().replace('_', "");
            assert!(
                architecture.starts_with(&format!("{model}forc")),
                "{names:?}"
            );
        }
    }
}
