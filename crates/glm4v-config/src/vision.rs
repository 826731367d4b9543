use serde::{Deserialize, Serialize};

use crate::{HiddenAct, PatchKind, VisionModelType, infinity, json};

/// `projection_intermediate_size`, if a file has none.
const PROJECTION_SIZE: usize = 10_240;
/// `swiglu_limit`, if a file has none.
const SWIGLU_LIMIT: f64 = 10.0;

/// The shape of the vision tower: `vision_config` of `config.json`.
///
/// Absent fields have the defaults of `Glm4vVisionConfig`, `Glm4vMoeVisionConfig`, `GlmOcrVisionConfig` and
/// `Glm5NextVisionConfig` in transformers 5.23.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VisionConfig {
    /// Which tower of the model family this is.
    pub model_type: VisionModelType,
    /// Number of transformer blocks.
    pub depth: usize,
    /// Width of the blocks.
    pub hidden_size: usize,
    /// Number of attention heads. `hidden_size` is a multiple of it.
    pub num_heads: usize,
    /// Colour channels of a pixel.
    pub in_channels: usize,
    /// Side, in pixels, of the square image that the position table covers.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames in a patch.
    pub temporal_patch_size: usize,
    /// Side, in patches, of the square that is merged into one token.
    pub spatial_merge_size: usize,
    /// Width of the embeddings. See also [`VisionConfig::mlp_size`].
    pub out_hidden_size: usize,
    /// Width of the merger's MLP; in GLM-OCR and GLM-5.3-Flash, of the blocks' MLP. See [`VisionConfig::merger_size`].
    pub intermediate_size: usize,
    /// Width of the merger's MLP in GLM-5.3-Flash. `None` means the default, and no other tower uses it.
    #[serde(
        deserialize_with = "json::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub projection_intermediate_size: Option<usize>,
    /// Limit of the gated MLPs in GLM-5.3-Flash. `None` means the default, and no other tower uses it. See
    /// [`VisionConfig::gate_limit`].
    #[serde(with = "infinity", skip_serializing_if = "Option::is_none")]
    pub swiglu_limit: Option<f64>,
    /// Activation of the gated MLPs.
    pub hidden_act: HiddenAct,
    /// Whether `attn.qkv` has a bias. In GLM-OCR and GLM-5.3-Flash, this applies to `attn.proj` and
    /// the blocks' MLP as well.
    pub attention_bias: bool,
    /// Epsilon of every RMSNorm.
    pub rms_norm_eps: f64,
    /// The rotary embedding. `None` means the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_parameters: Option<RopeParameters>,
}

/// The rotary embedding's parameters (`rope_parameters`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RopeParameters {
    /// Always `axial` for this tower.
    pub rope_type: String,
    /// The base of the inverse frequencies.
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
            projection_intermediate_size: None,
            swiglu_limit: None,
            hidden_act: HiddenAct::Silu,
            attention_bias: false,
            rms_norm_eps: 1e-5,
            rope_parameters: None,
        }
    }
}

impl VisionConfig {
    /// The defaults of transformers 5.23 for absent fields.
    pub(crate) fn default_of(model_type: VisionModelType) -> Self {
        let common = Self {
            model_type,
            ..Self::default()
        };
        let ocr = Self {
            hidden_size: 1024,
            num_heads: 16,
            out_hidden_size: 1536,
            intermediate_size: 4096,
            attention_bias: true,
            ..common.clone()
        };
        match model_type {
            VisionModelType::Glm4vVision | VisionModelType::Glm4vMoeVision => common,
            VisionModelType::GlmOcrVision => ocr,
            VisionModelType::Glm5NextVision => Self {
                projection_intermediate_size: Some(PROJECTION_SIZE),
                swiglu_limit: Some(SWIGLU_LIMIT),
                ..ocr
            },
        }
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

    /// Values of one patch row as the tower reads it. A row of an image has only one frame.
    #[must_use]
    pub const fn row_len(&self, kind: PatchKind) -> usize {
        match kind {
            PatchKind::Image => self.patch_dim() / self.temporal_patch_size,
            PatchKind::Video => self.patch_dim(),
        }
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
            VisionModelType::Glm4vVision | VisionModelType::Glm4vMoeVision => self.out_hidden_size,
            VisionModelType::GlmOcrVision | VisionModelType::Glm5NextVision => {
                self.intermediate_size
            }
        }
    }

    /// Width of the merger's MLP.
    #[must_use]
    pub const fn merger_size(&self) -> usize {
        match (self.model_type, self.projection_intermediate_size) {
            (VisionModelType::Glm4vVision | VisionModelType::Glm4vMoeVision, _) => {
                self.intermediate_size
            }
            (VisionModelType::GlmOcrVision, _) => self.out_hidden_size * self.in_channels,
            (VisionModelType::Glm5NextVision, Some(size)) => size,
            (VisionModelType::Glm5NextVision, None) => PROJECTION_SIZE,
        }
    }

    /// The limit of every gated MLP, in the blocks and in the merger. Before the activation, the gate is at most the limit, and
    /// the other factor is between ±limit. `None` if they have no limit.
    #[must_use]
    pub fn gate_limit(&self) -> Option<f64> {
        match self.model_type {
            VisionModelType::Glm4vVision
            | VisionModelType::Glm4vMoeVision
            | VisionModelType::GlmOcrVision => None,
            VisionModelType::Glm5NextVision => {
                let limit = self.swiglu_limit.unwrap_or(SWIGLU_LIMIT);
                limit.is_finite().then_some(limit)
            }
        }
    }

    /// Whether `attn.proj` and the blocks' MLP have biases.
    #[must_use]
    pub const fn block_bias(&self) -> bool {
        self.attention_bias && self.is_like_glm_ocr()
    }

    /// Whether the queries and keys of each head are normalized (`q_norm`, `k_norm`).
    #[must_use]
    pub const fn has_head_norms(&self) -> bool {
        self.is_like_glm_ocr()
    }

    /// Whether the tower has a position table and a norm before it (`embeddings`, `post_conv_layernorm`).
    #[must_use]
    pub const fn has_position_table(&self) -> bool {
        !self.is_like_glm_ocr()
    }

    /// The base of the rotary embedding's inverse frequencies.
    #[must_use]
    pub fn rope_theta(&self) -> f64 {
        let default = RopeParameters::default().rope_theta;
        self.rope_parameters
            .as_ref()
            .map_or(default, |rope| rope.rope_theta)
    }

    /// Whether the tower has the modules of GLM-OCR.
    const fn is_like_glm_ocr(&self) -> bool {
        match self.model_type {
            VisionModelType::Glm4vVision | VisionModelType::Glm4vMoeVision => false,
            VisionModelType::GlmOcrVision | VisionModelType::Glm5NextVision => true,
        }
    }
}
