use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{ConfigError, ModelType, VisionConfig, VisionModelType, json};

/// Fields that transformers also reads by another name (`attribute_map` of `Glm4vVisionConfig`).
const ALIASES: [(&str, &str); 2] = [
    ("num_hidden_layers", "depth"),
    ("num_attention_heads", "num_heads"),
];
/// Fields that only vision configurations have.
const TOWER_FIELDS: [&str; 6] = [
    "depth",
    "num_heads",
    "patch_size",
    "temporal_patch_size",
    "spatial_merge_size",
    "out_hidden_size",
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
        let model_type = ModelType::of(&value);
        let config: Self = match value.get_mut("vision_config").map(Value::take) {
            Some(vision) => {
                let vision = object_or_defaults(vision)?;
                let tower = model_type?.unwrap_or_default().tower_of(&vision)?;
                with_defaults(vision, tower, "vision_config")?
            }
            None => {
                let is_model = model_type.is_ok_and(|model_type| model_type.is_some());
                let tower = bare_tower(&value, is_model)?;
                with_defaults(value, tower, "")?
            }
        };
        config.validate()?;
        Ok(config)
    }
}

/// An absent `vision_config` may be written as `null`. transformers then uses its defaults.
fn object_or_defaults(vision: Value) -> Result<Value, ConfigError> {
    if vision.is_null() {
        return Ok(json!({}));
    }
    json::check_object(&vision, "vision_config")?;
    Ok(vision)
}

/// The tower of a vision configuration that has a file of its own. Refuses a model's configuration without `vision_config`, and
/// an object that is not a vision configuration.
fn bare_tower(config: &Value, is_model: bool) -> Result<VisionModelType, ConfigError> {
    let tower = VisionModelType::of(config, "model_type")?;
    let fields = json!(VisionConfig::default());
    // Configurations of language models have some of the fields too.
    let is_known = |name: &String| match is_model {
        true => TOWER_FIELDS.contains(&&name[..]),
        false => fields.get(name).is_some(),
    };
    let mut names = config.as_object().into_iter().flat_map(Map::keys);
    if names.any(is_known) {
        return Ok(tower.unwrap_or_default());
    }
    Err(ConfigError::Field {
        field: "vision_config".into(),
        message: "is missing; the file must have this field or be a vision configuration itself"
            .into(),
    })
}

/// Reads `vision` as the configuration of the tower `model_type`.
fn with_defaults(
    vision: Value,
    model_type: VisionModelType,
    parent: &str,
) -> Result<VisionConfig, ConfigError> {
    let mut fields = json!(VisionConfig::default_of(model_type));
    if let (Value::Object(fields), Value::Object(given)) = (&mut fields, vision) {
        fields.extend(canonical(given, parent)?);
        fields.insert("model_type".into(), json!(model_type));
    }
    json::fields(fields, parent)
}

/// The fields, renamed to the names that this crate uses.
fn canonical(
    mut fields: Map<String, Value>,
    parent: &str,
) -> Result<Map<String, Value>, ConfigError> {
    for (alias, name) in ALIASES {
        // transformers sets these names last, so they win.
        if let Some(value) = fields.remove(alias) {
            fields.insert(name.into(), value);
        }
    }
    let theta = fields.remove("rope_theta");
    // The name in older files. Unless it is empty, it wins.
    let scaling = fields
        .remove("rope_scaling")
        .filter(|scaling| !is_empty(scaling));
    if let Some(scaling) = scaling {
        fields.insert("rope_parameters".into(), scaling);
    }
    if let Some(rope) = fields.get_mut("rope_parameters") {
        rope_parameters(rope, theta, parent)?;
    } else if let Some(theta) = theta {
        fields.insert("rope_parameters".into(), json!({"rope_theta": theta}));
    }
    Ok(fields)
}

/// Moves `theta` of older files, which is beside the parameters, and the type into their place.
fn rope_parameters(
    rope: &mut Value,
    theta: Option<Value>,
    parent: &str,
) -> Result<(), ConfigError> {
    if rope.is_null() {
        *rope = json!({});
    }
    json::check_object(rope, &json::field_of(parent, "rope_parameters"))?;
    let Value::Object(rope) = rope else {
        unreachable!("it was checked");
    };
    if let Some(theta) = theta {
        rope.entry("rope_theta").or_insert(theta);
    }
    if let Some(kind) = rope.remove("type") {
        rope.entry("rope_type").or_insert(kind);
    }
    Ok(())
}

/// Whether Python takes the value for false.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_true) => !is_true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
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
        let glm5 = VisionConfig::default_of(VisionModelType::Glm5NextVision);
        for config in [config, glm5] {
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(VisionConfig::from_json(&json).unwrap(), config);
        }
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
        assert_eq!((config.depth, config.num_heads), (2, 16));
        let config = read(r#"{"num_heads": 2, "depth": 3, "num_attention_heads": 16}"#);
        assert_eq!((config.depth, config.num_heads), (3, 16));
        assert_eq!(
            read(r#"{"depth": 1, "rope_theta": 500}"#).rope_theta(),
            500.0
        );
        let old = r#"{"depth": 1, "rope_parameters": {"type": "default", "rope_theta": 5}, "rope_theta": 500}"#;
        assert_eq!(read(old).rope_theta(), 5.0);
        let both = r#"{"depth": 1, "rope_parameters": {"type": "yarn", "rope_type": "default", "rope_theta": 5}}"#;
        assert_eq!(read(both).rope_theta(), 5.0);
    }

    #[test]
    fn the_rotary_embedding_of_older_files() {
        for (fields, theta) in [
            (
                r#""rope_scaling": {"rope_type": "axial", "rope_theta": 50.0}"#,
                50.0,
            ),
            (
                r#""rope_scaling": {"type": "default"}, "rope_parameters": {"rope_theta": 7}"#,
                10_000.0,
            ),
            (
                r#""rope_scaling": {"type": "default"}, "rope_theta": 9"#,
                9.0,
            ),
            (
                r#""rope_scaling": {}, "rope_parameters": {"rope_theta": 7}"#,
                7.0,
            ),
            (
                r#""rope_scaling": null, "rope_parameters": {"rope_theta": 7}"#,
                7.0,
            ),
            (r#""rope_parameters": null, "rope_theta": 7"#, 7.0),
        ] {
            let config = VisionConfig::from_json(&format!(r#"{{"depth": 1, {fields}}}"#)).unwrap();
            assert_eq!(config.rope_theta(), theta, "{fields}");
        }
        let yarn = refused(r#"{"depth": 1, "rope_scaling": {"type": "yarn", "factor": 2}}"#);
        assert!(yarn.contains("`rope_type`"), "{yarn}");
        for field in ["rope_scaling", "rope_parameters"] {
            let array = refused(&format!(r#"{{"depth": 1, "{field}": ["axial", 50.0]}}"#));
            assert!(
                array.contains("expected a JSON object, found an array"),
                "{array}"
            );
        }
    }

    /// As in transformers, which divides and rounds down.
    #[test]
    fn a_position_table_may_leave_pixels_over() {
        let config = VisionConfig::from_json(r#"{"image_size": 341, "patch_size": 14}"#).unwrap();
        assert_eq!(config.position_side(), 24);
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
            (r#"{"vision_config": 1}"#, "vision_config"),
            (r#"{"patch_size": 337}"#, "image_size"),
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
            (
                r#"{"model_type": "glm5_next_vision", "swiglu_limit": 0}"#,
                "swiglu_limit",
            ),
            (
                r#"{"model_type": "glm5_next_vision", "swiglu_limit": NaN}"#,
                "swiglu_limit",
            ),
            (
                r#"{"model_type": "glm5_next_vision", "swiglu_limit": null}"#,
                "swiglu_limit",
            ),
            (
                r#"{"model_type": "glm5_next_vision", "projection_intermediate_size": 0}"#,
                "projection_intermediate_size",
            ),
            (
                r#"{"model_type": "glm5_next_vision", "projection_intermediate_size": null}"#,
                "projection_intermediate_size",
            ),
            (
                r#"{"vision_config": {"rms_norm_eps": NaN}}"#,
                "vision_config.rms_norm_eps",
            ),
        ] {
            let message = refused(json);
            assert!(message.contains(&format!("`{field}`")), "{json}: {message}");
        }
    }

    #[test]
    fn refusals_without_a_field() {
        assert!(refused("{").contains("not valid JSON"));
        assert!(refused("[]").contains("expected a JSON object, found an array"));
        let pointer = refused("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n");
        assert!(
            pointer.starts_with("this is a Git LFS pointer"),
            "{pointer}"
        );
        let page = refused("<!DOCTYPE html><html></html>");
        assert!(page.starts_with("this is a web page"), "{page}");
    }

    #[test]
    fn an_unknown_model_type_is_refused_with_the_known_ones() {
        let message = refused(r#"{"model_type": "llava", "vision_config": {}}"#);
        assert_eq!(
            message,
            "model_type `llava` is not supported; use one of: glm4v, glm4v_moe, glm46v, glm_ocr, glm5_next, glmga"
        );
        for model in ["glm4v", "glm46v"] {
            let nested = format!(
                r#"{{"model_type": "{model}", "vision_config": {{"model_type": "siglip"}}}}"#
            );
            let message = refused(&nested);
            assert!(
                message.starts_with("vision_config.model_type `siglip` is not supported"),
                "{message}"
            );
            assert!(message.contains("glm5_next_vision"), "{message}");
        }
        for bare in ["qwen2_vl", "glm_image_vision"] {
            let message = refused(&format!(r#"{{"model_type": "{bare}", "depth": 2}}"#));
            assert!(
                message.starts_with(&format!("model_type `{bare}`")),
                "{message}"
            );
        }
    }

    /// As in transformers: `AutoConfig` reads the `vision_config` of `glm46v` and `glmga`, and a fixed class that of the others.
    #[test]
    fn the_model_type_of_the_vision_configuration_may_be_another() {
        use VisionModelType::{Glm4vMoeVision, Glm4vVision, Glm5NextVision, GlmOcrVision};
        for (model, vision, expected) in [
            ("glm4v", "glm4v", Glm4vVision),
            ("glm4v", "glm4v_moe_vision", Glm4vVision),
            ("glm4v_moe", "glm4v_moe", Glm4vMoeVision),
            ("glm4v_moe", "glm4v_vision", Glm4vMoeVision),
            ("glm46v", "glm46v", Glm4vVision),
            ("glm46v", "glm4v_moe_vision", Glm4vMoeVision),
            ("glm46v", "glm4v_moe", Glm4vMoeVision),
            ("glm46v", "glm_ocr_vision", GlmOcrVision),
            ("glmga", "glmga", Glm4vVision),
            ("glmga", "glm5_next_vision", Glm5NextVision),
            ("glm_ocr", "glm4v_vision", GlmOcrVision),
            ("glm5_next", "glm_ocr_vision", Glm5NextVision),
        ] {
            let json = format!(
                r#"{{"model_type": "{model}", "vision_config": {{"model_type": "{vision}"}}}}"#
            );
            let config = VisionConfig::from_json(&json).unwrap();
            assert_eq!(config, VisionConfig::default_of(expected), "{json}");
        }
        for model in ModelType::ALL {
            let expected = VisionConfig::default_of(model.tower());
            for vision in ["{}", "null"] {
                let json = format!(
                    r#"{{"model_type": "{}", "vision_config": {vision}}}"#,
                    model.name()
                );
                assert_eq!(VisionConfig::from_json(&json).unwrap(), expected, "{json}");
            }
        }
    }

    #[test]
    fn every_tower_may_be_a_file_of_its_own() {
        for (name, model) in [
            ("glm4v_vision", ModelType::Glm4v),
            ("glm4v", ModelType::Glm4v),
            ("glm4v_moe_vision", ModelType::Glm4vMoe),
            ("glm4v_moe", ModelType::Glm4vMoe),
            ("glm46v", ModelType::Glm46v),
            ("glm_ocr_vision", ModelType::GlmOcr),
            ("glm_ocr", ModelType::GlmOcr),
            ("glm5_next_vision", ModelType::Glm5Next),
            ("glm5_next", ModelType::Glm5Next),
            ("glmga", ModelType::Glmga),
        ] {
            let json = format!(r#"{{"model_type": "{name}", "depth": 2, "rms_norm_eps": 1e-6}}"#);
            let expected = VisionConfig {
                depth: 2,
                rms_norm_eps: 1e-6,
                ..VisionConfig::default_of(model.tower())
            };
            assert_eq!(VisionConfig::from_json(&json).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn values_that_are_no_numbers_may_be_in_other_fields() {
        let json = r#"{"model_type": "glm4v", "text_config": {"a": NaN, "b": [-Infinity]},
            "vision_config": {"depth": 2, "dropout": Infinity}}"#;
        assert_eq!(VisionConfig::from_json(json).unwrap().depth, 2);
    }

    #[test]
    fn the_tower_of_glm5_has_a_limit_and_a_width_of_its_own() {
        let read = |fields: &str| {
            let json = format!(r#"{{"model_type": "glm5_next_vision", "depth": 2{fields}}}"#);
            VisionConfig::from_json(&json).unwrap()
        };
        let config = read("");
        assert_eq!((config.mlp_size(), config.merger_size()), (4096, 10_240));
        assert_eq!(config.gate_limit(), Some(10.0));
        assert!(config.block_bias() && config.has_head_norms() && !config.has_position_table());
        let config = read(r#", "swiglu_limit": 7, "projection_intermediate_size": 96"#);
        assert_eq!((config.merger_size(), config.gate_limit()), (96, Some(7.0)));
        // As in torch, an infinite limit limits nothing.
        for infinity in ["Infinity", r#"{"__float__": "Infinity"}"#] {
            let config = read(&format!(r#", "swiglu_limit": {infinity}"#));
            assert_eq!(config.gate_limit(), None);
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(VisionConfig::from_json(&json).unwrap(), config);
        }
        // Other towers ignore both fields.
        let ocr = r#"{"model_type": "glm_ocr_vision", "swiglu_limit": 7, "projection_intermediate_size": 96}"#;
        let ocr = VisionConfig::from_json(ocr).unwrap();
        assert_eq!((ocr.merger_size(), ocr.gate_limit()), (4608, None));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = VisionConfig::from_file("no/such/config.json").unwrap_err();
        assert!(error.to_string().starts_with("no/such/config.json: "));
    }
}
