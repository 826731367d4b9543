use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{ConfigError, ModelType, VisionConfig, VisionModelType, json};

/// Fields that transformers also reads by another name (`attribute_map` of `Glm4vVisionConfig`).
const ALIASES: [(&str, &str); 2] = [
    ("num_hidden_layers", "depth"),
    ("num_attention_heads", "num_heads"),
];

impl VisionConfig {
    /// Reads and validates a `config.json`; see [`VisionConfig::from_json`].
    ///
    /// # Errors
    /// [`ConfigError`], naming the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        json::read_file(path.as_ref(), Self::from_json)
    }

    /// Parses and validates the text of a `config.json`.
    ///
    /// The text is the configuration of a model, with a nested `vision_config`, or a vision configuration alone.
    ///
    /// # Errors
    /// [`ConfigError`] for text that is not JSON, an unknown `model_type`, or a field with an unsupported value.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let mut value = json::object(text)?;
        let nested = value.get_mut("vision_config").map(Value::take);
        let config: Self = match nested {
            Some(vision) => {
                let tower = ModelType::of(&value)?.tower();
                with_defaults(vision, tower, "vision_config")?
            }
            None => {
                check_bare(&value)?;
                with_defaults(value, VisionModelType::default(), "")?
            }
        };
        config.validate()?;
        Ok(config)
    }
}

/// Refuses a model's configuration without `vision_config`, and an object that is not a vision configuration.
fn check_bare(config: &Value) -> Result<(), ConfigError> {
    let tower = VisionModelType::of_tower(config);
    let fields = json!(VisionConfig::default());
    let is_known = |name: &String| fields.get(name).is_some();
    let mut names = config.as_object().into_iter().flat_map(Map::keys);
    if tower.is_ok() && names.any(is_known) {
        return Ok(());
    }
    if tower.is_err() {
        ModelType::of(config)?;
    }
    Err(ConfigError::Field {
        field: "vision_config".into(),
        message: "is missing; the file must have this field or be a vision configuration itself"
            .into(),
    })
}

/// Reads `vision`. Absent fields have the defaults of its `model_type`, or of the parameter if it has none.
fn with_defaults(
    vision: Value,
    model_type: VisionModelType,
    parent: &str,
) -> Result<VisionConfig, ConfigError> {
    json::check_object(&vision, parent)?;
    let model_type = VisionModelType::of_tower(&vision)?.unwrap_or(model_type);
    let mut fields = json!(VisionConfig::default_of(model_type));
    if let (Value::Object(fields), Value::Object(given)) = (&mut fields, vision) {
        fields.extend(canonical(given));
        fields.insert("model_type".into(), json!(model_type));
    }
    json::fields(fields, parent)
}

/// The fields, renamed to the names that this crate uses.
fn canonical(mut fields: Map<String, Value>) -> Map<String, Value> {
    for (alias, name) in ALIASES {
        if let Some(value) = fields.remove(alias) {
            fields.entry(name).or_insert(value);
        }
    }
    // Older files have it at the top level. transformers moves it in the same way.
    if let Some(theta) = fields.remove("rope_theta") {
        let rope = fields.entry("rope_parameters").or_insert(Value::Null);
        if rope.is_null() {
            *rope = json!({});
        }
        if let Value::Object(rope) = rope {
            rope.entry("rope_theta").or_insert(theta);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HiddenAct, RopeParameters};

    fn refused(json: &str) -> String {
        VisionConfig::from_json(json).unwrap_err().to_string()
    }

    #[test]
    fn nested_and_bare_read_alike() {
        let bare = r#"{"model_type": "glm4v_vision", "depth": 3, "hidden_act": "gelu", "rms_norm_eps": 1e-6}"#;
        let nested = format!(r#"{{"model_type": "glm4v", "vision_config": {bare}}}"#);
        let config = VisionConfig::from_json(bare).unwrap();
        assert_eq!((config.depth, config.hidden_act), (3, HiddenAct::Gelu));
        assert_eq!(VisionConfig::from_json(&nested).unwrap(), config);
    }

    #[test]
    fn a_config_survives_its_own_json() {
        let config = VisionConfig {
            attention_bias: true,
            rope_parameters: Some(RopeParameters::default()),
            ..VisionConfig::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(VisionConfig::from_json(&json).unwrap(), config);
    }

    #[test]
    fn the_model_type_decides_the_tower_and_its_defaults() {
        let read = |json| VisionConfig::from_json(json).unwrap();
        let ocr = read(r#"{"model_type": "glm_ocr", "vision_config": {"depth": 2}}"#);
        assert_eq!((ocr.depth, ocr.hidden_size), (2, 1024));
        assert_eq!((ocr.mlp_size(), ocr.merger_size()), (4096, 4608));
        assert!(ocr.block_bias() && ocr.has_head_norms() && !ocr.has_position_table());
        assert_eq!(read(r#"{"model_type": "glm_ocr_vision", "depth": 2}"#), ocr);

        let moe =
            read(r#"{"model_type": "glm4v_moe", "vision_config": {"intermediate_size": 10944}}"#);
        assert_eq!((moe.mlp_size(), moe.merger_size()), (4096, 10944));
        assert!(!moe.block_bias() && !moe.has_head_norms() && moe.has_position_table());
        let flash = r#"{"model_type": "glm46v", "vision_config": {"model_type": "glm4v_vision"}}"#;
        assert_eq!(read(flash), VisionConfig::default());
    }

    #[test]
    fn names_that_transformers_also_reads() {
        let read = |json| VisionConfig::from_json(json).unwrap();
        let config = read(r#"{"num_hidden_layers": 2, "num_attention_heads": 16, "depth": 3}"#);
        assert_eq!((config.depth, config.num_heads), (3, 16));
        assert_eq!(
            read(r#"{"depth": 1, "rope_theta": 500}"#).rope_theta(),
            500.0
        );
        let old = r#"{"depth": 1, "rope_parameters": {"type": "default", "rope_theta": 5}, "rope_theta": 500}"#;
        assert_eq!(read(old).rope_theta(), 5.0);
    }

    #[test]
    fn refusals_name_the_field() {
        for (json, field) in [
            (r#"{"num_heads": 7}"#, "hidden_size"),
            (r#"{"num_heads": 256}"#, "num_heads"),
            (r#"{"num_heads": 0}"#, "num_heads"),
            (r#"{"depth": 99999999999}"#, "depth"),
            (r#"{"depth": 2000}"#, "depth"),
            (r#"{"patch_size": 1, "image_size": 1000000}"#, "image_size"),
            (
                r#"{"in_channels": 1000000, "hidden_size": 1000000, "num_heads": 1}"#,
                "hidden_size",
            ),
            (
                r#"{"in_channels": 1000000, "temporal_patch_size": 1000000, "patch_size": 1000000, "image_size": 1000000}"#,
                "hidden_size",
            ),
            (r#"{}"#, "vision_config"),
            (
                r#"{"model_type": "glm4v", "hidden_size": 8}"#,
                "vision_config",
            ),
            (r#"{"patch_size": 15}"#, "image_size"),
            (r#"{"patch_size": [14, 14]}"#, "patch_size"),
            (r#"{"rms_norm_eps": -1}"#, "rms_norm_eps"),
            (
                r#"{"depth": 1, "rope_parameters": {"rope_type": "yarn"}}"#,
                "rope_type",
            ),
            (
                r#"{"vision_config": {"hidden_act": "mish"}}"#,
                "vision_config.hidden_act",
            ),
            (r#"{"vision_config": []}"#, "vision_config"),
            (r#"{"vision_config": null}"#, "vision_config"),
        ] {
            let message = refused(json);
            assert!(message.contains(&format!("`{field}`")), "{json}: {message}");
        }
    }

    #[test]
    fn refusals_without_a_field() {
        assert!(refused("{").contains("not valid JSON"));
        assert!(refused("[]").contains("expected a JSON object, found an array"));
        let message = refused(r#"{"model_type": "llava", "vision_config": {}}"#);
        assert!(message.contains("`llava`") && message.contains("glm4v_moe"));
        assert!(refused(r#"{"model_type": "qwen2_vl"}"#).contains("`qwen2_vl`"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = VisionConfig::from_file("no/such/config.json").unwrap_err();
        assert!(error.to_string().starts_with("no/such/config.json: "));
    }
}
