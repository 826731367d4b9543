use clap::Args;
use glm4v::{DeviceSpec, Preset};

use crate::values::{Dtype, preset};

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
    /// auto, flex, ndarray, wgpu, vulkan, webgpu, metal or cuda; of several GPUs, one as in cuda:1
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceSpec,
    /// Type of the weights and of the computation
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub(crate) dtype: Dtype,
}
