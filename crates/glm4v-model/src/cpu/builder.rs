use std::borrow::Cow;
use std::collections::HashMap;

use burn::tensor::Device;
use glm4v_config::{Parameter, VisionConfig};
use glm4v_kernels::{PackedGate, PackedWeight, Precision};
use half::bf16;

use super::CpuTower;
use super::block::Block;
use super::merger::Merger;
use super::norm::{LayerNorm, RmsNorm};
use super::patch_embed::{PatchEmbed, sum_of_frames};
use super::precisions;
use crate::activation;
use crate::parameters::{MissingParameter, Parameters, missing};

pub(super) const PATCH_KERNEL: &str = "patch_embed.proj.weight";
/// Not a key of the checkpoint: the patch kernel's sum over its frames
pub(super) const IMAGE_KERNEL: &str = "patch_embed.image_proj.weight";
pub(super) const IMAGE_PRECISION: Precision = Precision::F32;
const GATE: &str = ".gate_proj.weight";
const UP: &str = ".up_proj.weight";

/// A parameter's values as stored, row after row.
#[derive(Clone, Copy, Debug)]
pub enum StoredValues<'a> {
    /// Values of 32 bits
    F32(&'a [f32]),
    /// Values of 16 bits
    Bf16(&'a [bf16]),
}

impl StoredValues<'_> {
    fn count(self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    fn pack(self, shape: [usize; 2], precision: Precision) -> PackedWeight {
        match self {
            Self::F32(values) => PackedWeight::new(values, shape, precision),
            Self::Bf16(values) => PackedWeight::new(values, shape, precision),
        }
    }
}

impl<'a> StoredValues<'a> {
    fn to_f32(self) -> Cow<'a, [f32]> {
        match self {
            Self::F32(values) => Cow::Borrowed(values),
            Self::Bf16(values) => values.iter().map(|value| value.to_f32()).collect(),
        }
    }
}

/// A copy of stored values, for a `gate_proj` or `up_proj` that arrives before the other.
#[derive(Debug)]
enum Waiting {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
}

impl Waiting {
    fn new(values: StoredValues<'_>) -> Self {
        match values {
            StoredValues::F32(values) => Self::F32(values.to_vec()),
            StoredValues::Bf16(values) => Self::Bf16(values.to_vec()),
        }
    }

    fn stored(&self) -> StoredValues<'_> {
        match self {
            Self::F32(values) => StoredValues::F32(values),
            Self::Bf16(values) => StoredValues::Bf16(values),
        }
    }
}

/// What becomes of a parameter.
pub(super) enum Role<'a> {
    /// It stays as f32.
    Vector,
    /// It is packed with the `up_proj` of this module.
    Gate(&'a str),
    /// It is packed with the `gate_proj` of this module.
    Up(&'a str),
    /// It is packed alone.
    Weight,
}

/// Collects the parameters of a CPU tower. A weight is packed in the call that adds it.
#[derive(Debug)]
pub struct CpuBuilder {
    pub(crate) precision: Precision,
    pub(crate) parameters: Parameters<Vec<f32>, PackedWeight>,
    /// By module: the packed `gate_proj` and `up_proj`
    pub(super) gates: HashMap<String, PackedGate>,
    /// By key: a `gate_proj` or `up_proj` without the other
    waiting: HashMap<String, Waiting>,
}

impl CpuBuilder {
    pub(crate) fn new(config: &VisionConfig, device: &Device, precision: Precision) -> Self {
        Self {
            precision,
            parameters: Parameters::new(config, device),
            gates: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// Adds the parameter `key`. The values are read during this call only. The first of a `gate_proj` and its `up_proj` is
    /// copied until the second arrives.
    ///
    /// # Panics
    /// If the tower has no such parameter, or the parameter has another number of values.
    pub fn add(&mut self, key: &str, values: StoredValues<'_>) {
        let shape = self.parameters.matrix(key);
        let (found, expected) = (values.count(), shape[0] * shape[1]);
        assert_eq!(found, expected, "{key} has {expected} values");
        match self.role(key) {
            Role::Vector => {
                let values = values.to_f32().into_owned();
                self.parameters.vectors.insert(key.to_owned(), values);
            }
            Role::Gate(module) => match self.waiting.remove(&(module.to_owned() + UP)) {
                Some(up) => self.pack_gate(module, [values, up.stored()], shape),
                None => self.wait(key, values),
            },
            Role::Up(module) => match self.waiting.remove(&(module.to_owned() + GATE)) {
                Some(gate) => self.pack_gate(module, [gate.stored(), values], shape),
                None => self.wait(key, values),
            },
            Role::Weight => {
                if key == PATCH_KERNEL {
                    self.pack_image_kernel(values);
                }
                let weight = values.pack(shape, precisions::of_weight(key, self.precision));
                self.parameters.weights.insert(key.to_owned(), weight);
            }
        }
    }

    pub(super) fn role<'a>(&self, key: &'a str) -> Role<'a> {
        if self.parameters.shape(key).len() == 1 || key == Parameter::POSITION_TABLE {
            Role::Vector
        } else if let Some(module) = key.strip_suffix(GATE) {
            Role::Gate(module)
        } else if let Some(module) = key.strip_suffix(UP) {
            Role::Up(module)
        } else {
            Role::Weight
        }
    }

    fn wait(&mut self, key: &str, values: StoredValues<'_>) {
        self.waiting.insert(key.to_owned(), Waiting::new(values));
    }

    /// The two may be stored in different types: bf16 values are then widened, which is exact.
    fn pack_gate(&mut self, module: &str, gate_up: [StoredValues<'_>; 2], shape: [usize; 2]) {
        let act = activation::kernel(self.parameters.config.hidden_act);
        let precision = self.gate_precision(module);
        let gate = match gate_up {
            [StoredValues::Bf16(gate), StoredValues::Bf16(up)] => {
                PackedGate::new(gate, up, shape, precision, act)
            }
            [gate, up] => PackedGate::new(&gate.to_f32()[..], &up.to_f32(), shape, precision, act),
        };
        self.gates.insert(module.to_owned(), gate);
    }

    pub(super) fn gate_precision(&self, module: &str) -> Precision {
        precisions::of_weight(&format!("{module}{GATE}"), self.precision)
    }

    /// The shape of the kernel for frames that are repeated, if patches have several frames.
    pub(super) fn image_kernel_shape(&self) -> Option<[usize; 2]> {
        let config = &self.parameters.config;
        let area = config.patch_size * config.patch_size;
        let shape = [config.hidden_size, config.in_channels * area];
        (config.temporal_patch_size > 1).then_some(shape)
    }

    /// The kernel for frames that are repeated. It has no padding, and its sums are f32 in every precision.
    fn pack_image_kernel(&mut self, values: StoredValues<'_>) {
        if let Some(shape) = self.image_kernel_shape() {
            let config = &self.parameters.config;
            let (frames, area) = (
                config.temporal_patch_size,
                config.patch_size * config.patch_size,
            );
            let sum = sum_of_frames(&values.to_f32(), frames, area);
            let weight = PackedWeight::new(&sum, shape, IMAGE_PRECISION);
            self.parameters
                .weights
                .insert(IMAGE_KERNEL.to_owned(), weight);
        }
    }

    pub(crate) fn build(mut self) -> Result<CpuTower, MissingParameter> {
        let blocks = (0..self.parameters.config.depth).map(|index| self.block(index));
        Ok(CpuTower {
            blocks: blocks.collect::<Result<_, _>>()?,
            patch_embed: self.patch_embed()?,
            post_conv_layernorm: self.optional_norm("post_conv_layernorm")?,
            position_embedding: self.parameters.optional_vector(Parameter::POSITION_TABLE)?,
            post_layernorm: self.rms_norm("post_layernorm")?,
            downsample: self.linear("downsample")?,
            merger: self.merger()?,
            precision: self.precision,
            device: self.parameters.device,
            config: self.parameters.config,
        })
    }

    fn patch_embed(&mut self) -> Result<PatchEmbed, MissingParameter> {
        let proj = self.parameters.weight(PATCH_KERNEL)?;
        let bias = self.parameters.vector("patch_embed.proj.bias")?;
        let image_proj = self.parameters.weight(IMAGE_KERNEL).ok();
        Ok(PatchEmbed {
            proj: proj.with_bias(&bias),
            image_proj: image_proj.map(|weight| weight.with_bias(&bias)),
        })
    }

    fn block(&mut self, index: usize) -> Result<Block, MissingParameter> {
        let key = |module| format!("blocks.{index}.{module}");
        Ok(Block {
            norm1: self.rms_norm(&key("norm1"))?,
            qkv: self.linear(&key("attn.qkv"))?,
            q_norm: self.optional_norm(&key("attn.q_norm"))?,
            k_norm: self.optional_norm(&key("attn.k_norm"))?,
            proj: self.linear(&key("attn.proj"))?,
            norm2: self.rms_norm(&key("norm2"))?,
            gate_up: self.gate_up(&key("mlp"))?,
            down_proj: self.linear(&key("mlp.down_proj"))?,
        })
    }

    fn merger(&mut self) -> Result<Merger, MissingParameter> {
        let norm = "merger.post_projection_norm";
        Ok(Merger {
            proj: self.linear("merger.proj")?,
            post_projection_norm: LayerNorm {
                weight: self.parameters.vector(&format!("{norm}.weight"))?,
                bias: self.parameters.vector(&format!("{norm}.bias"))?,
            },
            gate_up: self.gate_up("merger")?,
            down_proj: self.linear("merger.down_proj")?,
        })
    }

    fn gate_up(&mut self, module: &str) -> Result<PackedGate, MissingParameter> {
        let key = |name| format!("{module}{name}");
        let Some(gate) = self.gates.remove(module) else {
            let has_gate = self.waiting.contains_key(&key(GATE));
            return Err(missing(&key(if has_gate { UP } else { GATE })));
        };
        let gate_bias = self.parameters.optional_vector(&key(".gate_proj.bias"))?;
        let up_bias = self.parameters.optional_vector(&key(".up_proj.bias"))?;
        let gate = match self.parameters.config.gate_limit() {
            Some(limit) => gate.with_limit(limit as f32),
            None => gate,
        };
        Ok(match (gate_bias, up_bias) {
            (Some(gate_bias), Some(up_bias)) => gate.with_biases([&gate_bias, &up_bias]),
            (Some(_) | None, _) => gate,
        })
    }

    fn linear(&mut self, module: &str) -> Result<PackedWeight, MissingParameter> {
        let (weight, bias) = self.parameters.linear(module)?;
        Ok(match bias {
            Some(bias) => weight.with_bias(&bias),
            None => weight,
        })
    }

    fn rms_norm(&mut self, module: &str) -> Result<RmsNorm, MissingParameter> {
        let norm = self.optional_norm(module)?;
        Ok(norm.expect("every tower has this norm"))
    }

    fn optional_norm(&mut self, module: &str) -> Result<Option<RmsNorm>, MissingParameter> {
        let weight = self
            .parameters
            .optional_vector(&format!("{module}.weight"))?;
        let eps = self.parameters.config.rms_norm_eps as f32;
        Ok(weight.map(|weight| RmsNorm { weight, eps }))
    }
}
