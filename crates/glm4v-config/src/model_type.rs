use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ConfigError, VisionConfig};

/// Which of the family's towers: `model_type` of the vision configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum ModelType {
    /// GLM-4.1V
    #[default]
    Glm4v,
    /// GLM-4.5V
    Glm4vMoe,
    /// GLM-4.6V and GLM-4.6V-Flash: the tower of either of the two before, as `vision_config` says
    Glm46v,
    /// GLM-OCR
    GlmOcr,
}

/// Values of `model_type` at the top of a `config.json`.
const MODELS: [(&str, ModelType); 4] = [
    (ModelType::Glm4v.name(), ModelType::Glm4v),
    (ModelType::Glm4vMoe.name(), ModelType::Glm4vMoe),
    (ModelType::Glm46v.name(), ModelType::Glm46v),
    (ModelType::GlmOcr.name(), ModelType::GlmOcr),
];
/// Values of `model_type` in a vision configuration; early files of GLM-4.5V have the third.
const TOWERS: [(&str, VisionModelType); 4] = [
    ("glm4v_vision", VisionModelType::Glm4vVision),
    ("glm4v_moe_vision", VisionModelType::Glm4vMoeVision),
    ("glm4v_moe", VisionModelType::Glm4vMoeVision),
    ("glm_ocr_vision", VisionModelType::GlmOcrVision),
];

impl ModelType {
    /// The model that `config` describes; the first where it does not say.
    pub(crate) fn of(config: &Value) -> Result<Self, ConfigError> {
        Ok(find(config, &MODELS)?.unwrap_or_default())
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

    /// The tower, where `vision_config` does not say which.
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
    /// The tower that a vision configuration says it is.
    pub(crate) fn of_tower(config: &Value) -> Result<Option<Self>, ConfigError> {
        find(config, &TOWERS)
    }

    /// What transformers 5.23 takes for absent fields.
    pub(crate) fn default_config(self) -> VisionConfig {
        let common = VisionConfig {
            model_type: self,
            ..VisionConfig::default()
        };
        match self {
            Self::Glm4vVision | Self::Glm4vMoeVision => common,
            Self::GlmOcrVision => VisionConfig {
                hidden_size: 1024,
                num_heads: 16,
                out_hidden_size: 1536,
                intermediate_size: 4096,
                attention_bias: true,
                ..common
            },
        }
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
