use clap::Args;
use glm4v::devices::DeviceSpecs;
use glm4v::weights::{PackedCache, ProcessorSource};
use glm4v::{ComputeType, Preset};

use crate::values::{Attention, compute_type, memory, preset, processor_source};

#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// Checkpoint directory, mmproj file of llama.cpp (.gguf), or a model on the Hugging Face hub as owner/name
    #[arg(short, long, value_name = "DIR|FILE|NAME")]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) processor: ProcessorArgs,
    /// Random weights of this model size instead of a checkpoint [default: tiny]
    #[arg(long, value_parser = preset(), conflicts_with_all = ["model", "processor"])]
    pub(crate) preset: Option<Preset>,
    #[command(flatten)]
    pub(crate) revision: RevisionArgs,
}

/// How images and videos become patch rows.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ProcessorArgs {
    /// Settings of the image and video processors: a model size as in --preset, or a directory with the preprocessor files.
    /// A .gguf file has few of them [default: the model's settings; for a .gguf file, those of GLM-4.1V, GLM-OCR or GLM-5.3]
    #[arg(long, value_name = "PRESET|DIR", value_parser = processor_source, requires = "model")]
    pub(crate) processor: Option<ProcessorSource>,
}

/// Which version of a model on the hub.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RevisionArgs {
    /// Branch, tag or commit of a model on the hub [default: main]
    #[cfg(feature = "hub")]
    #[arg(long)]
    pub(crate) revision: Option<String>,
    /// Use only cached models, never the network
    #[cfg(feature = "hub")]
    #[arg(long)]
    pub(crate) offline: bool,
}

/// The weights, and the device that computes with them.
#[derive(Args, Clone, Debug)]
pub(crate) struct ComputeArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Seed of the random weights [default: 0]
    #[arg(long, conflicts_with_all = ["model", "processor"])]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Do not keep packed weights of large checkpoints in the user's cache directory. They make the next start faster
    #[arg(long)]
    pub(crate) no_packed_cache: bool,
    /// How a GPU computes attention
    #[arg(long, value_enum, default_value_t = Attention::Auto)]
    pub(crate) attention_method: Attention,
}

impl ComputeArgs {
    /// Where packed weights are kept for the next start.
    pub(crate) fn packed_cache(&self) -> Option<PackedCache> {
        match self.no_packed_cache {
            true => None,
            false => PackedCache::of_user(),
        }
    }
}

/// The device, its numeric type and its memory limit.
#[derive(Args, Clone, Debug)]
pub(crate) struct DeviceArgs {
    /// auto; flex (the CPU) or ndarray (the CPU, slower); wgpu, vulkan, webgpu, metal or cuda. Name one GPU as cuda:1, all as
    /// cuda:all, some as cuda:0,cuda:2; several GPUs share each batch
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceSpecs,
    /// Type of the weights and of the computation. int8 takes half the memory of bf16 and is less exact
    #[arg(long, value_parser = compute_type(), default_value_t = ComputeType::F32)]
    pub(crate) dtype: ComputeType,
    /// Memory limit in bytes, or as 900M or 4G. It limits each GPU, and on a CPU the whole process. Batches are made
    /// smaller until they fit. If they cannot fit, the command fails before it loads weights
    #[arg(long, value_name = "BYTES", value_parser = memory)]
    pub(crate) max_memory: Option<u64>,
}
