use burn::module::Param;
use burn::tensor::{Device, FloatDType, Tensor};
use glm4v_config::VisionConfig;

use super::{
    Attention, Block, DeviceTower, Embeddings, LayerNorm, Linear, Merger, Mlp, PatchEmbed, RmsNorm,
};
use crate::join;
use crate::parameters::{MissingParameter, Parameters};

/// Collects the parameters of a device tower.
#[derive(Debug)]
pub struct DeviceBuilder {
    dtype: FloatDType,
    parameters: Parameters<Tensor<1>, Vec<Tensor<2>>>,
}

impl DeviceBuilder {
    pub(crate) fn new(config: &VisionConfig, device: &Device, dtype: FloatDType) -> Self {
        Self {
            dtype,
            parameters: Parameters::new(config, device),
        }
    }

    /// The type that parameters must have.
    #[must_use]
    pub fn dtype(&self) -> FloatDType {
        self.dtype
    }

    /// The device that parameters must be on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.parameters.device
    }

    /// Adds the parameter `key` as splits of whole rows, one below the other.
    ///
    /// # Shapes
    /// - row_splits: the values of each split, flattened
    ///
    /// # Panics
    /// If the tower has no such parameter, or the splits are not all rows of it.
    pub fn add(&mut self, key: &str, row_splits: Vec<Tensor<1>>) {
        let [rows, width] = self.parameters.matrix(key);
        let lengths = row_splits.iter().map(|split| split.dims()[0]);
        assert!(
            lengths.clone().all(|length| length.is_multiple_of(width))
                && lengths.sum::<usize>() == rows * width,
            "splits of {key} must be whole rows of {width} values, {rows} in total"
        );
        let (is_vector, key) = (self.parameters.shape(key).len() == 1, key.to_owned());
        if is_vector {
            self.parameters.vectors.insert(key, join(row_splits, 0));
        } else {
            let matrix = |split: Tensor<1>| {
                let rows = split.dims()[0] / width;
                split.reshape([rows, width])
            };
            let splits = row_splits.into_iter().map(matrix).collect();
            self.parameters.weights.insert(key, splits);
        }
    }

    pub(crate) fn build(mut self) -> Result<DeviceTower, MissingParameter> {
        let config = self.parameters.config.clone();
        let blocks = (0..config.depth).map(|index| self.block(index));
        Ok(DeviceTower {
            blocks: blocks.collect::<Result<_, _>>()?,
            patch_embed: PatchEmbed::new(
                self.parameters.weight("patch_embed.proj.weight")?,
                self.parameters.vector("patch_embed.proj.bias")?,
                [config.in_channels, config.temporal_patch_size],
            ),
            post_conv_layernorm: self.optional_norm("post_conv_layernorm")?,
            embeddings: config
                .has_position_table()
                .then(|| self.embeddings())
                .transpose()?,
            post_layernorm: self.rms_norm("post_layernorm")?,
            downsample: self.linear("downsample")?,
            merger: self.merger()?,
            config,
        })
    }

    fn block(&mut self, index: usize) -> Result<Block, MissingParameter> {
        let key = |module| format!("blocks.{index}.{module}");
        Ok(Block {
            norm1: self.rms_norm(&key("norm1"))?,
            attn: Attention {
                qkv: self.linear(&key("attn.qkv"))?,
                q_norm: self.optional_norm(&key("attn.q_norm"))?,
                k_norm: self.optional_norm(&key("attn.k_norm"))?,
                proj: self.linear(&key("attn.proj"))?,
                num_heads: self.parameters.config.num_heads,
            },
            norm2: self.rms_norm(&key("norm2"))?,
            mlp: self.mlp(&key("mlp"))?,
        })
    }

    fn merger(&mut self) -> Result<Merger, MissingParameter> {
        let norm = "merger.post_projection_norm";
        let mut param = |name| {
            self.parameters
                .vector(&format!("{norm}.{name}"))
                .map(Param::from_tensor)
        };
        let (weight, bias) = (param("weight")?, param("bias")?);
        Ok(Merger {
            proj: self.linear("merger.proj")?,
            post_projection_norm: LayerNorm { weight, bias },
            mlp: self.mlp("merger")?,
        })
    }

    fn mlp(&mut self, module: &str) -> Result<Mlp, MissingParameter> {
        Ok(Mlp {
            gate_proj: self.linear(&format!("{module}.gate_proj"))?,
            up_proj: self.linear(&format!("{module}.up_proj"))?,
            down_proj: self.linear(&format!("{module}.down_proj"))?,
            hidden_act: self.parameters.config.hidden_act,
            limit: self.parameters.config.gate_limit(),
        })
    }

    fn embeddings(&mut self) -> Result<Embeddings, MissingParameter> {
        let table = self
            .parameters
            .weight("embeddings.position_embedding.weight")?;
        Ok(Embeddings {
            position_embedding: Param::from_tensor(join(table, 0)),
        })
    }

    fn linear(&mut self, module: &str) -> Result<Linear, MissingParameter> {
        let (weight, bias) = self.parameters.linear(module)?;
        Ok(Linear::new(weight, bias))
    }

    fn rms_norm(&mut self, module: &str) -> Result<RmsNorm, MissingParameter> {
        let norm = self.optional_norm(module)?;
        Ok(norm.expect("every tower has this norm"))
    }

    fn optional_norm(&mut self, module: &str) -> Result<Option<RmsNorm>, MissingParameter> {
        let weight = self
            .parameters
            .optional_vector(&format!("{module}.weight"))?;
        let (weight, eps) = (
            weight.map(Param::from_tensor),
            self.parameters.config.rms_norm_eps,
        );
        Ok(weight.map(|weight| RmsNorm { weight, eps }))
    }
}
