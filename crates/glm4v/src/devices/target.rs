use burn::tensor::FloatDType;
use glm4v_model::{AttentionMethod, ComputeMode, Precision};

use super::{Backend, ComputeType};

/// The place where a tower runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// How the tower computes.
    pub mode: ComputeMode,
    /// Whether the memory of the device is the memory of the host.
    pub shares_host_memory: bool,
    /// The largest tensor in bytes, where the device limits it.
    pub max_buffer: Option<u64>,
    /// Whether attention stores its scores. The attention of the CPU kernels and that of flex do not.
    pub stores_scores: bool,
    /// The number of devices that share each batch. Device figures of a plan are for each of them.
    pub devices: usize,
}

impl Target {
    /// One device of `backend` that computes in floating-point numbers.
    #[must_use]
    pub fn new(backend: Backend, dtype: FloatDType) -> Self {
        Self {
            mode: backend.compute_mode(dtype),
            shares_host_memory: backend.is_cpu(),
            max_buffer: None,
            stores_scores: backend != Backend::Flex,
            devices: 1,
        }
    }

    /// One device of `backend` that computes in `dtype`. `None` if no such device does.
    #[must_use]
    pub fn of(backend: Backend, dtype: impl Into<ComputeType>) -> Option<Self> {
        match (dtype.into(), backend) {
            (ComputeType::Float(dtype), _) => Some(Self::new(backend, dtype)),
            (ComputeType::Int8, Backend::Flex) => Some(Self {
                mode: ComputeMode::Cpu(Precision::Int8),
                ..Self::new(backend, FloatDType::F32)
            }),
            (
                ComputeType::Int8,
                Backend::Cuda
                | Backend::Metal
                | Backend::Vulkan
                | Backend::Wgpu
                | Backend::Webgpu
                | Backend::Ndarray,
            ) => None,
        }
    }

    /// This place, where attention is computed by `method`. Eager attention stores its scores on every backend.
    #[must_use]
    pub fn with_attention(self, method: AttentionMethod) -> Self {
        let eager = method == AttentionMethod::Eager && matches!(self.mode, ComputeMode::Device(_));
        Self {
            stores_scores: self.stores_scores || eager,
            ..self
        }
    }
}
