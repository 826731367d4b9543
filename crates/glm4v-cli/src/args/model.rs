use clap::Args;
use glm4v::{DeviceSpecs, Preset};

use crate::values::{Attention, Dtype, memory, preset};

/// Which checkpoint.
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// Checkpoint directory, or the name of a model on the Hugging Face hub, as owner/name
    #[arg(short, long, value_name = "DIR|NAME")]
    pub(crate) model: Option<String>,
    /// Random weights of this model in place of a checkpoint [default: tiny]
    #[arg(long, value_parser = preset(), conflicts_with = "model")]
    pub(crate) preset: Option<Preset>,
    /// Of a model by name, which version.
    #[command(flatten)]
    pub(crate) revision: RevisionArgs,
}

/// Which version of a model on the hub.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RevisionArgs {
    /// Branch, tag or commit of a model by name [default: main]
    #[cfg(feature = "hub")]
    #[arg(long)]
    pub(crate) revision: Option<String>,
    /// Take a model by name from the caches only, never from the network
    #[cfg(feature = "hub")]
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Which weights, and what computes with them.
#[derive(Args, Clone, Debug)]
pub(crate) struct ComputeArgs {
    /// The checkpoint.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Seed of the random weights [default: 0]
    #[arg(long, conflicts_with = "model")]
    pub(crate) seed: Option<u64>,
    /// The device.
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// How a GPU attends; the values are the same, but for rounding
    #[arg(long, value_enum, default_value_t = Attention::Auto)]
    pub(crate) attention_method: Attention,
}

/// What computes, in what, and with how much memory.
#[derive(Args, Clone, Debug)]
pub(crate) struct DeviceArgs {
    /// auto, flex, ndarray, wgpu, vulkan, webgpu, metal or cuda; of several GPUs, one as in cuda:1, all as in cuda:all, or
    /// some as in cuda:0,cuda:2, which share the frames of each batch
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceSpecs,
    /// Type of the weights and of the computation
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub(crate) dtype: Dtype,
    /// Most memory, in bytes or as in 900M, 4G: of the process, with GPUs of each GPU. Work is cut into parts that fit;
    /// what does not fit even so is refused before weights are loaded
    #[arg(long, value_name = "BYTES", value_parser = memory)]
    pub(crate) max_memory: Option<u64>,
}
