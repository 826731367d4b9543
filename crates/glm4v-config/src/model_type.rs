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

/// Values of `model_type` at the top of a `config.json`, and the tower beneath.
const MODELS: [(&str, VisionModelType); 4] = [
    ("glm4v", VisionModelType::Glm4vVision),
    ("glm4v_moe", VisionModelType::Glm4vMoeVision),
    ("glm46v", VisionModelType::Glm4vVision),
    ("glm_ocr", VisionModelType::GlmOcrVision),
];
/// Values of `model_type` in a vision configuration; early files of GLM-4.5V have the third.
const TOWERS: [(&str, VisionModelType); 4] = [
    ("glm4v_vision", VisionModelType::Glm4vVision),
    ("glm4v_moe_vision", VisionModelType::Glm4vMoeVision),
    ("glm4v_moe", VisionModelType::Glm4vMoeVision),
    ("glm_ocr_vision", VisionModelType::GlmOcrVision),
];

impl VisionModelType {
    /// The tower of the model that `config` describes; the first where it does not say.
    pub(crate) fn of_model(config: &Value) -> Result<Self, ConfigError> {
        Ok(find(config, &MODELS)?.unwrap_or_default())
    }

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

fn find(
    config: &Value,
    known: &[(&str, VisionModelType)],
) -> Result<Option<VisionModelType>, ConfigError> {
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
