use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{ConfigError, HiddenAct, Parameter, VisionModelType, json};

/// Sizes above this are refused, before anything is multiplied or allocated.
const MAX_SIZE: usize = 1 << 20;
/// The same for the number of blocks, each of which has a dozen parameters to list.
const MAX_DEPTH: usize = 1 << 10;
/// Towers above this are refused: a hundred times the largest known.
const MAX_PARAMETERS: u64 = 1 << 37;
/// The position table's entries are counted in 32 bits on the device.
const MAX_POSITION_SIDE: usize = 1 << 15;
/// Fields that transformers also reads by another name (`attribute_map` of `Glm4vVisionConfig`).
const ALIASES: [(&str, &str); 2] = [
    ("num_hidden_layers", "depth"),
    ("num_attention_heads", "num_heads"),
];

/// The vision tower's shape: `vision_config` of `config.json` (`Glm4vVisionConfig`, `Glm4vMoeVisionConfig` and
/// `GlmOcrVisionConfig` of transformers 5.23, whose defaults stand for absent fields).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VisionConfig {
    /// Which of the family's towers this is.
    pub model_type: VisionModelType,
    /// Number of transformer blocks.
    pub depth: usize,
    /// Width of the blocks.
    pub hidden_size: usize,
    /// Attention heads; divides `hidden_size`.
    pub num_heads: usize,
    /// Colour channels of a pixel.
    pub in_channels: usize,
    /// Side, in pixels, of the square picture that the position table covers.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames in a patch.
    pub temporal_patch_size: usize,
    /// Side, in patches, of the square that becomes one token.
    pub spatial_merge_size: usize,
    /// Width of the embeddings; see also [`VisionConfig::mlp_size`].
    pub out_hidden_size: usize,
    /// Width of the merger's MLP, in GLM-OCR of the blocks' MLP; see [`VisionConfig::merger_size`].
    pub intermediate_size: usize,
    /// Activation of the gated MLPs.
    pub hidden_act: HiddenAct,
    /// Whether `attn.qkv` has a bias; in GLM-OCR also `attn.proj` and the blocks' MLP.
    pub attention_bias: bool,
    /// Epsilon of every RMSNorm.
    pub rms_norm_eps: f64,
    /// Rotary embedding; the default where the file says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_parameters: Option<RopeParameters>,
}

/// The rotary embedding's parameters (`rope_parameters`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RopeParameters {
    /// Only `axial` exists for this tower.
    #[serde(alias = "type")]
    pub rope_type: String,
    /// Base of the inverse frequencies.
    pub rope_theta: f64,
}

impl Default for RopeParameters {
    fn default() -> Self {
        Self {
            rope_type: "axial".into(),
            rope_theta: 10_000.0,
        }
    }
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            model_type: VisionModelType::Glm4vVision,
            depth: 24,
            hidden_size: 1536,
            num_heads: 12,
            in_channels: 3,
            image_size: 336,
            patch_size: 14,
            temporal_patch_size: 2,
            spatial_merge_size: 2,
            out_hidden_size: 4096,
            intermediate_size: 13696,
            hidden_act: HiddenAct::Silu,
            attention_bias: false,
            rms_norm_eps: 1e-5,
            rope_parameters: None,
        }
    }
}

impl VisionConfig {
    /// Reads and validates a `config.json`; see [`VisionConfig::from_json`].
    ///
    /// # Errors
    /// [`ConfigError`], naming the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        json::read_file(path.as_ref(), Self::from_json)
    }

    /// Parses and validates the text of a `config.json`: a model's, with a nested `vision_config`, or a vision
    /// configuration on its own.
    ///
    /// # Errors
    /// [`ConfigError`] for text that is not JSON, an unknown `model_type`, or a field that cannot be honoured.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let mut value = json::object(text)?;
        let nested = value.get_mut("vision_config").map(Value::take);
        let config: Self = match nested {
            Some(vision) => {
                let model_type = VisionModelType::of_model(&value)?;
                with_defaults(vision, model_type, "vision_config")?
            }
            None => {
                check_bare(&value)?;
                with_defaults(value, VisionModelType::default(), "")?
            }
        };
        config.validate()?;
        Ok(config)
    }

    /// Checks that the values fit together.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first field that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, size) in self.sizes() {
            let most = if field == "depth" {
                MAX_DEPTH
            } else {
                MAX_SIZE
            };
            if size == 0 || size > most {
                let expected = format!("a size from 1 to {most}");
                return Err(ConfigError::invalid(field, expected, size));
            }
        }
        divides("hidden_size", self.hidden_size, "num_heads", self.num_heads)?;
        divides("image_size", self.image_size, "patch_size", self.patch_size)?;
        if !self.head_dim().is_multiple_of(4) {
            return Err(ConfigError::invalid(
                "num_heads",
                "hidden_size / num_heads to be a multiple of 4 (two rotated axes)",
                self.head_dim(),
            ));
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps.is_finite()) {
            return Err(ConfigError::invalid(
                "rms_norm_eps",
                "a positive number",
                self.rms_norm_eps,
            ));
        }
        self.validate_rope()?;
        self.validate_total()
    }

    /// Values of one attention head.
    #[must_use]
    pub const fn head_dim(&self) -> usize {
        self.hidden_size / self.num_heads
    }

    /// Values of one patch row: in_channels · temporal_patch_size · patch_size².
    #[must_use]
    pub const fn patch_dim(&self) -> usize {
        self.in_channels * self.temporal_patch_size * self.patch_size * self.patch_size
    }

    /// Side of the square position table, in patches.
    #[must_use]
    pub const fn position_side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Width of the blocks' MLP.
    #[must_use]
    pub const fn mlp_size(&self) -> usize {
        match self.model_type {
            VisionModelType::GlmOcrVision => self.intermediate_size,
            _ => self.out_hidden_size,
        }
    }

    /// Width of the merger's MLP.
    #[must_use]
    pub const fn merger_size(&self) -> usize {
        match self.model_type {
            VisionModelType::GlmOcrVision => self.out_hidden_size * self.in_channels,
            _ => self.intermediate_size,
        }
    }

    /// Whether `attn.proj` and the blocks' MLP have biases.
    #[must_use]
    pub const fn block_bias(&self) -> bool {
        self.attention_bias && matches!(self.model_type, VisionModelType::GlmOcrVision)
    }

    /// Whether queries and keys are normed head by head (`q_norm`, `k_norm`).
    #[must_use]
    pub const fn has_head_norms(&self) -> bool {
        matches!(self.model_type, VisionModelType::GlmOcrVision)
    }

    /// Whether there are a position table and a norm before it (`embeddings`, `post_conv_layernorm`).
    #[must_use]
    pub const fn has_position_table(&self) -> bool {
        !matches!(self.model_type, VisionModelType::GlmOcrVision)
    }

    /// Base of the rotary embedding's inverse frequencies.
    #[must_use]
    pub fn rope_theta(&self) -> f64 {
        let default = RopeParameters::default().rope_theta;
        self.rope_parameters
            .as_ref()
            .map_or(default, |rope| rope.rope_theta)
    }

    fn sizes(&self) -> [(&'static str, usize); 10] {
        [
            ("depth", self.depth),
            ("hidden_size", self.hidden_size),
            ("num_heads", self.num_heads),
            ("in_channels", self.in_channels),
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
            ("temporal_patch_size", self.temporal_patch_size),
            ("spatial_merge_size", self.spatial_merge_size),
            ("out_hidden_size", self.out_hidden_size),
            ("intermediate_size", self.intermediate_size),
        ]
    }

    fn validate_total(&self) -> Result<(), ConfigError> {
        if self.position_side() > MAX_POSITION_SIDE {
            let expected = format!("at most {MAX_POSITION_SIDE} patches a side");
            return Err(ConfigError::invalid(
                "image_size",
                expected,
                self.image_size,
            ));
        }
        let elements = |parameter: &Parameter| {
            let sizes = parameter.shape.iter().map(|&size| size as u64);
            sizes.fold(1, u64::saturating_mul)
        };
        let total = self
            .parameters()
            .iter()
            .map(elements)
            .fold(0, u64::saturating_add);
        if total > MAX_PARAMETERS {
            let expected = format!("sizes of at most {MAX_PARAMETERS} parameters in all");
            return Err(ConfigError::invalid("hidden_size", expected, total));
        }
        Ok(())
    }

    fn validate_rope(&self) -> Result<(), ConfigError> {
        let Some(rope) = &self.rope_parameters else {
            return Ok(());
        };
        // "default" is what older files call it, and what transformers takes for "axial".
        if !["axial", "default"].contains(&&rope.rope_type[..]) {
            return Err(ConfigError::invalid(
                "rope_type",
                "`axial`",
                &rope.rope_type,
            ));
        }
        if !(rope.rope_theta > 0.0 && rope.rope_theta.is_finite()) {
            return Err(ConfigError::invalid(
                "rope_theta",
                "a positive number",
                rope.rope_theta,
            ));
        }
        Ok(())
    }
}

/// Refuses a model's configuration without its vision side, and an object that is no configuration at all.
fn check_bare(config: &Value) -> Result<(), ConfigError> {
    let is_model =
        VisionModelType::of_tower(config).is_err() && VisionModelType::of_model(config).is_ok();
    let fields = json!(VisionConfig::default());
    let is_known = |name: &String| fields.get(name).is_some();
    if !is_model
        && config
            .as_object()
            .is_some_and(|config| config.keys().any(is_known))
    {
        return Ok(());
    }
    VisionModelType::of_any(config)?;
    Err(ConfigError::Field {
        field: "vision_config".into(),
        message: "is missing, and the file is no vision configuration itself".into(),
    })
}

/// Reads `vision`, with the defaults of its own `model_type` or else of `model_type`.
fn with_defaults(
    vision: Value,
    model_type: VisionModelType,
    parent: &str,
) -> Result<VisionConfig, ConfigError> {
    json::check_object(&vision, parent)?;
    let model_type = VisionModelType::of_tower(&vision)?.unwrap_or(model_type);
    let mut fields = json!(model_type.default_config());
    if let (Value::Object(fields), Value::Object(given)) = (&mut fields, vision) {
        fields.extend(canonical(given));
        fields.insert("model_type".into(), json!(model_type));
    }
    json::fields(fields, parent)
}

/// Fields under the names that this crate knows.
fn canonical(mut fields: Map<String, Value>) -> Map<String, Value> {
    for (alias, name) in ALIASES {
        if let Some(value) = fields.remove(alias) {
            fields.entry(name).or_insert(value);
        }
    }
    // Where older files have it; transformers moves it just so.
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

fn divides(
    field: &'static str,
    size: usize,
    divisor_field: &str,
    divisor: usize,
) -> Result<(), ConfigError> {
    if size.is_multiple_of(divisor) {
        return Ok(());
    }
    let expected = format!("a multiple of {divisor_field} ({divisor})");
    Err(ConfigError::invalid(field, expected, size))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn other_spellings_that_transformers_reads() {
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
    fn refusals_that_have_no_field() {
        assert!(refused("{").contains("not valid JSON"));
        assert!(refused("[]").contains("expected a JSON object, found an array"));
        let message = refused(r#"{"model_type": "llava", "vision_config": {}}"#);
        assert!(message.contains("`llava`") && message.contains("glm4v_moe"));
        assert!(refused(r#"{"model_type": "qwen2_vl"}"#).contains("`qwen2_vl`"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = VisionConfig::from_file("no/such/config.json").unwrap_err();
        assert!(error.to_string().starts_with("no/such/config.json: "));
    }
}
