use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ConfigError;

/// Which tower of the model family: `model_type` of the vision configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisionModelType {
    /// GLM-4.1V, GLM-4.6V-Flash, GLM-GA
    #[default]
    Glm4vVision,
    /// GLM-4.5V, GLM-4.6V: the same tower
    Glm4vMoeVision,
    /// GLM-OCR: norms on queries and keys, biases in the blocks, no position table
    GlmOcrVision,
    /// GLM-5.3-Flash: the tower of GLM-OCR, with clamped gates and a width of its own for the merger
    Glm5NextVision,
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
    /// GLM-5.3-Flash
    Glm5Next,
    /// GLM-GA: GLM-4.6V-Flash with other processors
    Glmga,
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

impl ModelType {
    /// Every model type.
    pub const ALL: [Self; 6] = [
        Self::Glm4v,
        Self::Glm4vMoe,
        Self::Glm46v,
        Self::GlmOcr,
        Self::Glm5Next,
        Self::Glmga,
    ];

    /// The model that `config` names, if it has a `model_type`.
    pub(crate) fn of(config: &Value) -> Result<Option<Self>, ConfigError> {
        find(config, "model_type", &Self::ALL.map(Self::named))
    }

    /// The tower of `vision`, the `vision_config` of this model. As in transformers, the `model_type` of `vision` chooses the
    /// tower of GLM-4.6V and GLM-GA only. Another model has one tower, and that `model_type` may name any tower or model.
    pub(crate) fn tower_of(self, vision: &Value) -> Result<VisionModelType, ConfigError> {
        let named = VisionModelType::of(vision, "vision_config.model_type")?;
        Ok(match self {
            Self::Glm46v | Self::Glmga => named.unwrap_or(self.tower()),
            Self::Glm4v | Self::Glm4vMoe | Self::GlmOcr | Self::Glm5Next => self.tower(),
        })
    }

    /// The name in `config.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Glm4v => "glm4v",
            Self::Glm4vMoe => "glm4v_moe",
            Self::Glm46v => "glm46v",
            Self::GlmOcr => "glm_ocr",
            Self::Glm5Next => "glm5_next",
            Self::Glmga => "glmga",
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
                    VisionModelType::Glm4vMoeVision => "glm4v_moe_text",
                    VisionModelType::Glm4vVision
                    | VisionModelType::GlmOcrVision
                    | VisionModelType::Glm5NextVision => "glm4v_text",
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
            Self::Glm5Next => (
                "Glm5NextForConditionalGeneration",
                "glm5_next_text",
                "Glm5NextImageProcessor",
                "Glm5NextProcessor",
            ),
            // transformers has no class of its own for this model.
            Self::Glmga => (
                "Glm46VForConditionalGeneration",
                "glm4v_text",
                "GlmgaImageProcessor",
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
            Self::Glm4v | Self::Glm46v | Self::Glmga => VisionModelType::Glm4vVision,
            Self::Glm4vMoe => VisionModelType::Glm4vMoeVision,
            Self::GlmOcr => VisionModelType::GlmOcrVision,
            Self::Glm5Next => VisionModelType::Glm5NextVision,
        }
    }

    const fn named(self) -> (&'static str, Self) {
        (self.name(), self)
    }
}

impl VisionModelType {
    const ALL: [Self; 4] = [
        Self::Glm4vVision,
        Self::Glm4vMoeVision,
        Self::GlmOcrVision,
        Self::Glm5NextVision,
    ];

    /// The tower that a vision configuration names, if it has a `model_type`. Some published files have the name of the model
    /// there. In errors, the field is `field`.
    pub(crate) fn of(config: &Value, field: &'static str) -> Result<Option<Self>, ConfigError> {
        let towers = Self::ALL.map(|tower| (tower.name(), tower));
        let models = ModelType::ALL.map(|model| (model.name(), model.tower()));
        find(config, field, &[&towers[..], &models].concat())
    }

    /// The name in `config.json`.
    const fn name(self) -> &'static str {
        match self {
            Self::Glm4vVision => "glm4v_vision",
            Self::Glm4vMoeVision => "glm4v_moe_vision",
            Self::GlmOcrVision => "glm_ocr_vision",
            Self::Glm5NextVision => "glm5_next_vision",
        }
    }
}

fn find<T: Copy>(
    config: &Value,
    field: &'static str,
    known: &[(&str, T)],
) -> Result<Option<T>, ConfigError> {
    let Some(name) = config.get("model_type").and_then(Value::as_str) else {
        return Ok(None);
    };
    match known.iter().find(|(known, _)| *known == name) {
        Some((_, found)) => Ok(Some(*found)),
        None => Err(ConfigError::UnknownModelType {
            field,
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
    use serde_json::json;

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
            let model = match preset.model_type() {
                ModelType::Glmga => "glm46v".to_owned(),
                model => model.name().replace('_', ""),
            };
            assert!(
                architecture.starts_with(&format!("{model}forc")),
                "{names:?}"
            );
        }
    }

    #[test]
    fn a_tower_is_written_by_its_name() {
        for tower in VisionModelType::ALL {
            assert_eq!(json!(tower), tower.name());
        }
    }
}
