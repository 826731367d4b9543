use glm4v_config::{HiddenAct, TokenLimits, VisionConfig, VisionModelType};

use crate::names::{FRAMES, format_of};
use crate::{Array, Format, GgufError, Header, NewTensor, TowerTensor, Value, stored_as};

const ARCHITECTURE: &str = "general.architecture";
const HAS_VISION: &str = "clip.has_vision_encoder";
const PROJECTOR: &str = "clip.projector_type";
/// The key of the projector in files that have an audio encoder as well.
const VISION_PROJECTOR: &str = "clip.vision.projector_type";
const USE_SILU: &str = "clip.use_silu";
const WIDTH: &str = "clip.vision.embedding_length";
const MLP_WIDTH: &str = "clip.vision.feed_forward_length";
const DEPTH: &str = "clip.vision.block_count";
const OUT_WIDTH: &str = "clip.vision.projection_dim";
const HEADS: &str = "clip.vision.attention.head_count";
const EPS: &str = "clip.vision.attention.layer_norm_epsilon";
const IMAGE_SIZE: &str = "clip.vision.image_size";
const PATCH_SIZE: &str = "clip.vision.patch_size";
const MERGE_SIZE: &str = "clip.vision.spatial_merge_size";
const MEAN: &str = "clip.vision.image_mean";
const STD: &str = "clip.vision.image_std";
const CLAMP: &str = "clip.vision.swiglu_clamp";
const MIN_PIXELS: &str = "clip.vision.image_min_pixels";
const MAX_PIXELS: &str = "clip.vision.image_max_pixels";

/// The tensor whose shape tells the patch size and the channels.
const KERNEL: &str = "v.patch_embd.weight";
/// The tensors that only some towers have.
const HEAD_NORM: &str = "v.blk.0.attn_q_norm.weight";
const ATTENTION_BIAS: &str = "v.blk.0.attn_qkv.bias";
/// The gates, whose shapes are the widths of the MLPs.
const BLOCK_GATE: &str = "v.blk.0.ffn_gate.weight";
const MERGER_GATE: &str = "mm.gate.weight";

/// The side of the merged square in llama.cpp, and the base of the rotary embedding there. Files do not store them, or
/// store them in vain.
const MERGE: usize = 2;
const ROPE_THETA: f64 = 10_000.0;

/// The vision tower of an `mmproj` file, and what its metadata says of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Mmproj {
    /// The tower.
    pub config: VisionConfig,
    /// Mean per channel, after rescaling.
    pub image_mean: [f32; 3],
    /// Standard deviation per channel, after rescaling.
    pub image_std: [f32; 3],
    /// The limits of an image. Only files of GLM-5.3 have them.
    pub tokens: Option<TokenLimits>,
}

/// llama.cpp's names of the two graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Projector {
    Glm4v,
    Glm5v,
}

impl Projector {
    const ALL: [Self; 2] = [Self::Glm4v, Self::Glm5v];

    const fn name(self) -> &'static str {
        match self {
            Self::Glm4v => "glm4v",
            Self::Glm5v => "glm5v",
        }
    }

    const fn of(model: VisionModelType) -> Self {
        match model {
            VisionModelType::Glm4vVision
            | VisionModelType::Glm4vMoeVision
            | VisionModelType::GlmOcrVision => Self::Glm4v,
            VisionModelType::Glm5NextVision => Self::Glm5v,
        }
    }
}

impl Mmproj {
    /// The tower that `header` describes. The file is called `file` in errors. Sizes in the metadata are compared with the
    /// shapes of tensors.
    ///
    /// # Errors
    /// - [`GgufError::Unsupported`] for a file of another model
    /// - [`GgufError::Metadata`] for a value that is missing, or does not fit the tensors
    /// - [`GgufError::Missing`] for a missing tensor on which the configuration depends
    /// - [`GgufError::Config`] for a tower that is not supported
    pub fn from_header(header: &Header, file: &str) -> Result<Self, GgufError> {
        let fields = Fields { header, file };
        let projector = fields.projector()?;
        fields.check_silu()?;
        let config = fields.config(projector)?;
        config.validate().map_err(|source| GgufError::Config {
            file: file.to_owned(),
            source,
        })?;
        fields.check_shapes(&config)?;
        let token_pixels = token_pixels(&config);
        Ok(Self {
            image_mean: fields.channels(MEAN)?,
            image_std: fields.channels(STD)?,
            tokens: match projector {
                Projector::Glm4v => None,
                Projector::Glm5v => Some(TokenLimits {
                    min_image_tokens: fields.size(MIN_PIXELS)? / token_pixels,
                    max_image_tokens: fields.size(MAX_PIXELS)? / token_pixels,
                }),
            },
            config,
        })
    }

    /// The metadata of a file whose matrices have `format`, as llama.cpp's converter writes it.
    ///
    /// # Errors
    /// [`GgufError::Unstorable`] for a tower that llama.cpp would compute in another way, and for limits that are missing.
    pub fn metadata(&self, format: Format) -> Result<Vec<(String, Value)>, GgufError> {
        let config = &self.config;
        check_storable(config)?;
        let projector = Projector::of(config.model_type);
        let mut pairs: Vec<(&str, Value)> = vec![
            (ARCHITECTURE, "clip".into()),
            ("general.type", "mmproj".into()),
            ("general.file_type", format.file_type().into()),
            ("general.quantization_version", 2_u32.into()),
            (HAS_VISION, true.into()),
            (PROJECTOR, projector.name().into()),
            (USE_SILU, true.into()),
            (OUT_WIDTH, size(config.out_hidden_size)?),
            (IMAGE_SIZE, size(config.image_size)?),
            (PATCH_SIZE, size(config.patch_size)?),
            (WIDTH, size(config.hidden_size)?),
            (MLP_WIDTH, size(config.intermediate_size)?),
            (DEPTH, size(config.depth)?),
            (HEADS, size(config.num_heads)?),
            (EPS, (config.rms_norm_eps as f32).into()),
            (MEAN, self.image_mean.to_vec().into()),
            (STD, self.image_std.to_vec().into()),
            (MERGE_SIZE, size(config.spatial_merge_size)?),
        ];
        if projector == Projector::Glm5v {
            let tokens = self.tokens.ok_or_else(|| unstorable(
                "GLM-5.3 needs the limits of its image processor in tokens; use the preprocessor files of the model",
            ))?;
            let pixels = |tokens: usize| size(tokens.saturating_mul(token_pixels(config)));
            let clamp = config.gate_limit().unwrap_or(f64::INFINITY);
            pairs.extend([
                (CLAMP, (clamp as f32).into()),
                (MIN_PIXELS, pixels(tokens.min_image_tokens)?),
                (MAX_PIXELS, pixels(tokens.max_image_tokens)?),
            ]);
        }
        let pairs = pairs.into_iter();
        Ok(pairs.map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The tensors of a file whose matrices have `format`, in the order of [`VisionConfig::parameters`]. Norms, biases, the
    /// position table and other tensors stay wider, as llama.cpp's converter keeps them.
    #[must_use]
    pub fn tensors(config: &VisionConfig, format: Format) -> Vec<NewTensor> {
        let parameters = config.parameters();
        let tensors = parameters.iter().flat_map(stored_as);
        let new = |tensor: TowerTensor| NewTensor {
            format: format_of(&tensor, format),
            name: tensor.name,
            shape: tensor.shape,
        };
        tensors.map(new).collect()
    }
}

/// Pixels of one token, in one frame.
fn token_pixels(config: &VisionConfig) -> usize {
    let side = config.patch_size * config.spatial_merge_size;
    side.saturating_mul(side)
}

fn check_storable(config: &VisionConfig) -> Result<(), GgufError> {
    let (frames, merge) = (config.temporal_patch_size, config.spatial_merge_size);
    let theta = config.rope_theta();
    let fault = if frames != FRAMES {
        format!("temporal_patch_size is {frames}, and llama.cpp computes with {FRAMES}")
    } else if merge != MERGE {
        format!("spatial_merge_size is {merge}, and llama.cpp computes with {MERGE}")
    } else if theta != ROPE_THETA {
        format!("rope_theta is {theta}, and llama.cpp computes with {ROPE_THETA}")
    } else if config.hidden_act != HiddenAct::Silu {
        let found = config.hidden_act;
        format!("hidden_act is {found:?}, and the files of GLM-V have Silu")
    } else {
        return Ok(());
    };
    Err(unstorable(fault + "; write a .safetensors file"))
}

fn size(value: usize) -> Result<Value, GgufError> {
    let value = u32::try_from(value);
    value
        .map(Value::from)
        .map_err(|_| unstorable("a size needs more than 32 bits; write a .safetensors file"))
}

fn unstorable(message: impl Into<String>) -> GgufError {
    let message = message.into();
    GgufError::Unstorable { message }
}

/// Reads values of the metadata.
struct Fields<'a> {
    header: &'a Header,
    file: &'a str,
}

impl Fields<'_> {
    fn projector(&self) -> Result<Projector, GgufError> {
        let architecture = self.text(ARCHITECTURE)?;
        if architecture != "clip" {
            return Err(self.unsupported(format!(
                "its architecture is `{}`, and the vision tower is in a file of architecture `clip`; use the file of the \
                 model whose name begins with mmproj",
                crate::printable(architecture)
            )));
        }
        if self.header.get(HAS_VISION) != Some(&Value::Bool(true)) {
            return Err(self.unsupported("it has no vision encoder (clip.has_vision_encoder)"));
        }
        let key = match self.header.get(PROJECTOR) {
            Some(_) => PROJECTOR,
            None => VISION_PROJECTOR,
        };
        let name = self.text(key)?;
        let found = Projector::ALL
            .into_iter()
            .find(|known| known.name() == name);
        found.ok_or_else(|| {
            let known = Projector::ALL.map(Projector::name).join(", ");
            let name = crate::printable(name);
            self.unsupported(format!(
                "its {key} is `{name}`; use a file with one of: {known}"
            ))
        })
    }

    /// Without this value, llama.cpp computes another activation.
    fn check_silu(&self) -> Result<(), GgufError> {
        match self.header.get(USE_SILU) {
            Some(Value::Bool(true)) => Ok(()),
            _ => Err(self.refuse(USE_SILU, "true, as in every file of GLM-V")),
        }
    }

    /// The configuration, of which the metadata has the sizes and the tensors have the rest.
    fn config(&self, projector: Projector) -> Result<VisionConfig, GgufError> {
        let has_head_norms = self.header.tensor(HEAD_NORM).is_some();
        let model_type = match projector {
            Projector::Glm4v if !has_head_norms => VisionModelType::Glm4vVision,
            Projector::Glm4v => VisionModelType::GlmOcrVision,
            Projector::Glm5v => VisionModelType::Glm5NextVision,
        };
        let (mlp, merger) = (self.side(BLOCK_GATE, 0)?, self.side(MERGER_GATE, 0)?);
        let width = self.size(MLP_WIDTH)?;
        // Converters store `intermediate_size`, which is a width of blocks or of the merger.
        if width != mlp && width != merger {
            let expected =
                format!("{mlp} as in tensor `{BLOCK_GATE}`, or {merger} as in `{MERGER_GATE}`");
            return Err(self.refuse(MLP_WIDTH, expected));
        }
        Ok(VisionConfig {
            model_type,
            depth: self.size(DEPTH)?,
            hidden_size: self.size(WIDTH)?,
            num_heads: self.size(HEADS)?,
            in_channels: self.side(KERNEL, 1)?,
            image_size: self.size(IMAGE_SIZE)?,
            patch_size: self.size(PATCH_SIZE)?,
            temporal_patch_size: FRAMES,
            spatial_merge_size: match self.header.get(MERGE_SIZE) {
                Some(_) => self.size(MERGE_SIZE)?,
                None => MERGE,
            },
            out_hidden_size: self.size(OUT_WIDTH)?,
            intermediate_size: match model_type {
                VisionModelType::Glm4vVision | VisionModelType::Glm4vMoeVision => merger,
                VisionModelType::GlmOcrVision | VisionModelType::Glm5NextVision => mlp,
            },
            projection_intermediate_size: (projector == Projector::Glm5v).then_some(merger),
            swiglu_limit: match projector {
                Projector::Glm4v => None,
                Projector::Glm5v => Some(self.float(CLAMP)?),
            },
            hidden_act: HiddenAct::Silu,
            attention_bias: self.header.tensor(ATTENTION_BIAS).is_some(),
            rms_norm_eps: self.float(EPS)?,
            rope_parameters: None,
        })
    }

    /// Compares sizes of the metadata with the shapes that tell them.
    fn check_shapes(&self, config: &VisionConfig) -> Result<(), GgufError> {
        let side = config.position_side();
        let mut sizes = vec![
            (WIDTH, config.hidden_size, "v.patch_embd.bias", 0),
            (PATCH_SIZE, config.patch_size, KERNEL, 3),
            (OUT_WIDTH, config.out_hidden_size, "mm.patch_merger.bias", 0),
            (
                MERGE_SIZE,
                config.spatial_merge_size,
                "mm.patch_merger.weight",
                3,
            ),
        ];
        if config.has_position_table() {
            sizes.push((IMAGE_SIZE, side * side, "v.position_embd.weight", 0));
        }
        for (key, size, tensor, index) in sizes {
            let found = self.side(tensor, index)?;
            if found != size {
                let expected = match key {
                    IMAGE_SIZE => format!("an image of {found} patches, as in tensor `{tensor}`"),
                    _ => format!("{found}, as in tensor `{tensor}`"),
                };
                return Err(self.refuse(key, expected));
            }
        }
        Ok(())
    }

    fn text(&self, key: &str) -> Result<&str, GgufError> {
        match self.header.get(key) {
            Some(Value::String(text)) => Ok(text),
            Some(_) | None => Err(self.refuse(key, "a text")),
        }
    }

    fn size(&self, key: &str) -> Result<usize, GgufError> {
        let value = self.header.get(key).and_then(Value::as_size);
        let value = value.and_then(|value| usize::try_from(value).ok());
        value.ok_or_else(|| self.refuse(key, "an integer"))
    }

    fn float(&self, key: &str) -> Result<f64, GgufError> {
        let value = self.header.get(key).and_then(Value::as_float);
        value.ok_or_else(|| self.refuse(key, "a float"))
    }

    fn channels(&self, key: &str) -> Result<[f32; 3], GgufError> {
        let values = match self.header.get(key) {
            Some(Value::Array(Array::F32(values))) => values.as_slice().try_into().ok(),
            Some(_) | None => None,
        };
        values.ok_or_else(|| self.refuse(key, "an array of three 32-bit floats"))
    }

    /// A side of a tensor, counted from the outermost.
    fn side(&self, name: &str, index: usize) -> Result<usize, GgufError> {
        let Some(tensor) = self.header.tensor(name) else {
            return Err(GgufError::Missing {
                file: self.file.to_owned(),
                name: name.to_owned(),
                count: 1,
            });
        };
        tensor.shape.get(index).copied().ok_or_else(|| {
            self.unsupported(format!(
                "tensor `{name}` has the shape {:?}, which is not that of GLM-V",
                tensor.shape
            ))
        })
    }

    fn refuse(&self, key: &str, expected: impl Into<String>) -> GgufError {
        let found = self.header.get(key).map(Value::shown);
        GgufError::Metadata {
            file: self.file.to_owned(),
            key: key.to_owned(),
            expected: expected.into(),
            found: found.unwrap_or_else(|| "no such key".to_owned()),
        }
    }

    fn unsupported(&self, message: impl Into<String>) -> GgufError {
        GgufError::Unsupported {
            file: self.file.to_owned(),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests;
