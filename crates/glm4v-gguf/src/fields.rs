use glm4v_config::{HiddenAct, VisionConfig, VisionModelType};

use crate::names::FRAMES;
use crate::projector::Projector;
use crate::{Array, GgufError, Header, Value, keys};

/// Reads values of the metadata.
pub(crate) struct Fields<'a> {
    pub(crate) header: &'a Header,
    pub(crate) file: &'a str,
}

impl Fields<'_> {
    pub(crate) fn projector(&self) -> Result<Projector, GgufError> {
        let architecture = self.text(keys::ARCHITECTURE)?;
        if architecture != "clip" {
            return Err(self.unsupported(format!(
                "its architecture is `{}`, and the vision tower is in a file of architecture `clip`; use the file of the \
                 model whose name begins with mmproj",
                crate::printable(architecture)
            )));
        }
        if self.header.get(keys::HAS_VISION) != Some(&Value::Bool(true)) {
            return Err(self.unsupported("it has no vision encoder (clip.has_vision_encoder)"));
        }
        let key = match self.header.get(keys::PROJECTOR) {
            Some(_) => keys::PROJECTOR,
            None => keys::VISION_PROJECTOR,
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
    pub(crate) fn check_silu(&self) -> Result<(), GgufError> {
        match self.header.get(keys::USE_SILU) == Some(&Value::Bool(true)) {
            true => Ok(()),
            false => Err(self.refuse(keys::USE_SILU, "true, as in every file of GLM-V")),
        }
    }

    /// The configuration, of which the metadata has the sizes and the tensors have the rest.
    pub(crate) fn config(&self, projector: Projector) -> Result<VisionConfig, GgufError> {
        let has_head_norms = self.header.tensor(keys::HEAD_NORM).is_some();
        let model_type = match projector {
            Projector::Glm4v if !has_head_norms => VisionModelType::Glm4vVision,
            Projector::Glm4v => VisionModelType::GlmOcrVision,
            Projector::Glm5v => VisionModelType::Glm5NextVision,
        };
        let (mlp, merger) = (
            self.side(keys::BLOCK_GATE, 0)?,
            self.side(keys::MERGER_GATE, 0)?,
        );
        let width = self.size(keys::MLP_WIDTH)?;
        // Converters store `intermediate_size`, which is a width of blocks or of the merger.
        if width != mlp && width != merger {
            let (block, merging) = (keys::BLOCK_GATE, keys::MERGER_GATE);
            let expected = format!("{mlp} as in tensor `{block}`, or {merger} as in `{merging}`");
            return Err(self.refuse(keys::MLP_WIDTH, expected));
        }
        Ok(VisionConfig {
            model_type,
            depth: self.size(keys::DEPTH)?,
            hidden_size: self.size(keys::WIDTH)?,
            num_heads: self.size(keys::HEADS)?,
            in_channels: self.side(keys::KERNEL, 1)?,
            image_size: self.size(keys::IMAGE_SIZE)?,
            patch_size: self.size(keys::PATCH_SIZE)?,
            temporal_patch_size: FRAMES,
            spatial_merge_size: match self.header.get(keys::MERGE_SIZE) {
                Some(_) => self.size(keys::MERGE_SIZE)?,
                None => keys::MERGE,
            },
            out_hidden_size: self.size(keys::OUT_WIDTH)?,
            intermediate_size: match model_type {
                VisionModelType::Glm4vVision | VisionModelType::Glm4vMoeVision => merger,
                VisionModelType::GlmOcrVision | VisionModelType::Glm5NextVision => mlp,
            },
            projection_intermediate_size: (projector == Projector::Glm5v).then_some(merger),
            swiglu_limit: match projector {
                Projector::Glm4v => None,
                Projector::Glm5v => Some(self.float(keys::CLAMP)?),
            },
            hidden_act: HiddenAct::Silu,
            attention_bias: self.header.tensor(keys::ATTENTION_BIAS).is_some(),
            rms_norm_eps: self.float(keys::EPS)?,
            rope_parameters: None,
        })
    }

    /// Compares sizes of the metadata with the shapes that tell them.
    pub(crate) fn check_shapes(&self, config: &VisionConfig) -> Result<(), GgufError> {
        let side = config.position_side();
        let mut sizes = vec![
            (keys::WIDTH, config.hidden_size, "v.patch_embd.bias", 0),
            (keys::PATCH_SIZE, config.patch_size, keys::KERNEL, 3),
            (
                keys::OUT_WIDTH,
                config.out_hidden_size,
                "mm.patch_merger.bias",
                0,
            ),
            (
                keys::MERGE_SIZE,
                config.spatial_merge_size,
                "mm.patch_merger.weight",
                3,
            ),
        ];
        if config.has_position_table() {
            sizes.push((keys::IMAGE_SIZE, side * side, "v.position_embd.weight", 0));
        }
        for (key, size, tensor, index) in sizes {
            let found = self.side(tensor, index)?;
            if found != size {
                let expected = match key {
                    keys::IMAGE_SIZE => {
                        format!("an image of {found} patches, as in tensor `{tensor}`")
                    }
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

    pub(crate) fn size(&self, key: &str) -> Result<usize, GgufError> {
        let value = self.header.get(key).and_then(Value::as_size);
        let value = value.and_then(|value| usize::try_from(value).ok());
        value.ok_or_else(|| self.refuse(key, "an integer"))
    }

    fn float(&self, key: &str) -> Result<f64, GgufError> {
        let value = self.header.get(key).and_then(Value::as_float);
        value.ok_or_else(|| self.refuse(key, "a float"))
    }

    pub(crate) fn channels(&self, key: &str) -> Result<[f32; 3], GgufError> {
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
