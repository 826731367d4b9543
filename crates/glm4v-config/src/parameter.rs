use crate::VisionConfig;

/// The key and the shape of one parameter of the tower, as checkpoints store it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// The key without prefix, such as `blocks.0.attn.qkv.weight`.
    pub key: String,
    /// The stored shape.
    pub shape: Vec<usize>,
}

impl Parameter {
    /// The key of the position table, whose rows are looked up. Other matrices are multiplied.
    pub const POSITION_TABLE: &str = "embeddings.position_embedding.weight";

    /// Whether it is among the largest, which are loaded first. Later, the packed weights take most memory, and less is left for
    /// the values of a tensor.
    #[must_use]
    pub fn loads_first(&self) -> bool {
        self.key.starts_with("downsample.") || self.key.starts_with("merger.")
    }

    /// Number of values. The count saturates, but never for a valid configuration.
    #[must_use]
    pub fn num_elements(&self) -> u64 {
        let sizes = self.shape.iter().map(|&size| size as u64);
        sizes.fold(1, u64::saturating_mul)
    }
}

impl VisionConfig {
    /// Every parameter of the tower, in execution order: 181 for GLM-4.1V.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut list = List::default();
        self.stem(&mut list);
        for index in 0..self.depth {
            self.block(&mut list, &format!("blocks.{index}"));
        }
        self.head(&mut list);
        list.0
    }

    /// Number of values of all parameters. The count saturates, but never for a valid configuration.
    #[must_use]
    pub fn num_parameters(&self) -> u64 {
        let parameters = self.parameters();
        let elements = parameters.iter().map(Parameter::num_elements);
        elements.fold(0, u64::saturating_add)
    }

    fn stem(&self, list: &mut List) {
        let hidden = self.hidden_size;
        let kernel = [
            hidden,
            self.in_channels,
            self.temporal_patch_size,
            self.patch_size,
            self.patch_size,
        ];
        let positions = self.position_side() * self.position_side();
        list.push("patch_embed.proj.weight", &kernel);
        list.push("patch_embed.proj.bias", &[hidden]);
        if self.has_position_table() {
            list.push("post_conv_layernorm.weight", &[hidden]);
            list.push("embeddings.position_embedding.weight", &[positions, hidden]);
        }
    }

    fn block(&self, list: &mut List, block: &str) {
        let (hidden, mlp) = (self.hidden_size, self.mlp_size());
        let (attention_bias, block_bias) = (self.attention_bias, self.block_bias());
        list.push(format!("{block}.norm1.weight"), &[hidden]);
        list.linear(
            &format!("{block}.attn.qkv"),
            3 * hidden,
            hidden,
            attention_bias,
        );
        if self.has_head_norms() {
            list.push(format!("{block}.attn.q_norm.weight"), &[self.head_dim()]);
            list.push(format!("{block}.attn.k_norm.weight"), &[self.head_dim()]);
        }
        list.linear(&format!("{block}.attn.proj"), hidden, hidden, block_bias);
        list.push(format!("{block}.norm2.weight"), &[hidden]);
        list.linear(&format!("{block}.mlp.gate_proj"), mlp, hidden, block_bias);
        list.linear(&format!("{block}.mlp.up_proj"), mlp, hidden, block_bias);
        list.linear(&format!("{block}.mlp.down_proj"), hidden, mlp, block_bias);
    }

    fn head(&self, list: &mut List) {
        let (hidden, out, mlp) = (self.hidden_size, self.out_hidden_size, self.merger_size());
        let merge = self.spatial_merge_size;
        list.push("post_layernorm.weight", &[hidden]);
        list.push("downsample.weight", &[out, hidden, merge, merge]);
        list.push("downsample.bias", &[out]);
        list.push("merger.proj.weight", &[out, out]);
        list.push("merger.post_projection_norm.weight", &[out]);
        list.push("merger.post_projection_norm.bias", &[out]);
        list.push("merger.gate_proj.weight", &[mlp, out]);
        list.push("merger.up_proj.weight", &[mlp, out]);
        list.push("merger.down_proj.weight", &[out, mlp]);
    }
}

#[derive(Default)]
struct List(Vec<Parameter>);

impl List {
    fn push(&mut self, key: impl Into<String>, shape: &[usize]) {
        self.0.push(Parameter {
            key: key.into(),
            shape: shape.to_vec(),
        });
    }

    fn linear(&mut self, module: &str, out_features: usize, in_features: usize, bias: bool) {
        self.push(format!("{module}.weight"), &[out_features, in_features]);
        if bias {
            self.push(format!("{module}.bias"), &[out_features]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;

    #[test]
    fn the_published_tower_has_181_tensors() {
        let parameters = Preset::Glm41V9B.vision().parameters();
        assert_eq!(parameters.len(), 181);
        assert_eq!(parameters[0].shape, [1536, 3, 2, 14, 14]);
    }

    #[test]
    fn the_published_tower_of_glm5_has_347_tensors() {
        let parameters = Preset::Glm53Flash.vision().parameters();
        assert_eq!(parameters.len(), 347);
        let gate = parameters
            .iter()
            .find(|parameter| parameter.key == "merger.gate_proj.weight");
        assert_eq!(gate.unwrap().shape, [10_240, 4096]);
    }

    /// Counted in transformers 5.23: `sum(p.numel() for p in Glm4vVisionModel(config).parameters())`.
    #[test]
    fn parameter_counts_are_the_references() {
        let counts = Preset::ALL.map(|preset| preset.vision().num_parameters());
        assert_eq!(counts[..3], [1_175_936, 23_357_056, 134_541_568]);
        assert_eq!(counts[3..5], [434_120_192, 563_627_008]);
        let (moe, dense) = (858_681_856, 892_498_432);
        assert_eq!(counts[5..], [moe, moe, dense, dense, dense]);
    }

    #[test]
    fn attention_bias_adds_a_bias_to_every_block() {
        let config = VisionConfig {
            depth: 2,
            attention_bias: true,
            ..VisionConfig::default()
        };
        let biases = config
            .parameters()
            .into_iter()
            .filter(|parameter| parameter.key.ends_with("qkv.bias"));
        assert_eq!(biases.count(), 2);
    }
}
