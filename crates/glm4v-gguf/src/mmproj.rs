use glm4v_config::{HiddenAct, TokenLimits, VisionConfig};

use crate::fields::Fields;
use crate::names::{FRAMES, format_of};
use crate::projector::Projector;
use crate::{Format, GgufError, Header, NewTensor, TowerTensor, Value, keys, stored_as};

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
            image_mean: fields.channels(keys::MEAN)?,
            image_std: fields.channels(keys::STD)?,
            tokens: match projector {
                Projector::Glm4v => None,
                Projector::Glm5v => Some(TokenLimits {
                    min_image_tokens: fields.size(keys::MIN_PIXELS)? / token_pixels,
                    max_image_tokens: fields.size(keys::MAX_PIXELS)? / token_pixels,
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
            (keys::ARCHITECTURE, "clip".into()),
            ("general.type", "mmproj".into()),
            ("general.file_type", format.file_type().into()),
            ("general.quantization_version", 2_u32.into()),
            (keys::HAS_VISION, true.into()),
            (keys::PROJECTOR, projector.name().into()),
            (keys::USE_SILU, true.into()),
            (keys::OUT_WIDTH, size(config.out_hidden_size)?),
            (keys::IMAGE_SIZE, size(config.image_size)?),
            (keys::PATCH_SIZE, size(config.patch_size)?),
            (keys::WIDTH, size(config.hidden_size)?),
            (keys::MLP_WIDTH, size(config.intermediate_size)?),
            (keys::DEPTH, size(config.depth)?),
            (keys::HEADS, size(config.num_heads)?),
            (keys::EPS, (config.rms_norm_eps as f32).into()),
            (keys::MEAN, self.image_mean.to_vec().into()),
            (keys::STD, self.image_std.to_vec().into()),
            (keys::MERGE_SIZE, size(config.spatial_merge_size)?),
        ];
        if projector == Projector::Glm5v {
            let tokens = self.tokens.ok_or_else(|| unstorable(
                "GLM-5.3 needs the limits of its image processor in tokens; use the preprocessor files of the model",
            ))?;
            let pixels = |tokens: usize| size(tokens.saturating_mul(token_pixels(config)));
            let clamp = config.gate_limit().unwrap_or(f64::INFINITY);
            pairs.extend([
                (keys::CLAMP, (clamp as f32).into()),
                (keys::MIN_PIXELS, pixels(tokens.min_image_tokens)?),
                (keys::MAX_PIXELS, pixels(tokens.max_image_tokens)?),
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
    } else if merge != keys::MERGE {
        format!(
            "spatial_merge_size is {merge}, and llama.cpp computes with {}",
            keys::MERGE
        )
    } else if theta != keys::ROPE_THETA {
        format!(
            "rope_theta is {theta}, and llama.cpp computes with {}",
            keys::ROPE_THETA
        )
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

#[cfg(test)]
mod tests;
