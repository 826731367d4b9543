use std::fmt;

use burn::tensor::FloatDType;
use glm4v_model::{ComputeMode, Precision};

/// One of burn's backends, by the name of its cargo feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// NVIDIA GPUs.
    Cuda,
    /// GPUs through Apple's API.
    Metal,
    /// GPUs through Vulkan.
    Vulkan,
    /// GPUs through the API that the machine offers.
    Wgpu,
    /// GPUs through the browser.
    Webgpu,
    /// The CPU.
    Flex,
    /// The CPU, deprecated.
    Ndarray,
}

impl Backend {
    /// All backends, in the order in which `auto` tries them.
    pub const ALL: [Self; 7] = [
        Self::Cuda,
        Self::Metal,
        Self::Vulkan,
        Self::Wgpu,
        Self::Webgpu,
        Self::Flex,
        Self::Ndarray,
    ];

    /// The backends built in.
    #[must_use]
    pub fn compiled() -> Vec<Self> {
        let all = Self::ALL.into_iter();
        all.filter(|backend| backend.is_compiled()).collect()
    }

    /// Whether this backend is built in.
    #[must_use]
    pub const fn is_compiled(self) -> bool {
        self.feature().1
    }

    /// Whether this backend runs on the CPU, in host memory.
    #[must_use]
    pub const fn is_cpu(self) -> bool {
        match self {
            Self::Flex | Self::Ndarray => true,
            Self::Cuda | Self::Metal | Self::Vulkan | Self::Wgpu | Self::Webgpu => false,
        }
    }

    /// The name of the cargo feature.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.feature().0
    }

    /// The name of the cargo feature, and whether it is on.
    const fn feature(self) -> (&'static str, bool) {
        match self {
            Self::Cuda => ("cuda", cfg!(feature = "cuda")),
            Self::Metal => ("metal", cfg!(feature = "metal")),
            Self::Vulkan => ("vulkan", cfg!(feature = "vulkan")),
            Self::Wgpu => ("wgpu", cfg!(feature = "wgpu")),
            Self::Webgpu => ("webgpu", cfg!(feature = "webgpu")),
            Self::Flex => ("flex", cfg!(feature = "flex")),
            Self::Ndarray => ("ndarray", cfg!(feature = "ndarray")),
        }
    }

    /// How a tower computes in `dtype`. On flex this project's own kernels compute; they have no f16.
    #[must_use]
    pub const fn compute_mode(self, dtype: FloatDType) -> ComputeMode {
        match self {
            Self::Flex => match dtype {
                FloatDType::F32 => ComputeMode::Cpu(Precision::F32),
                FloatDType::BF16 => ComputeMode::Cpu(Precision::Bf16),
                other => ComputeMode::Device(other),
            },
            Self::Cuda | Self::Metal | Self::Vulkan | Self::Wgpu | Self::Webgpu | Self::Ndarray => {
                ComputeMode::Device(dtype)
            }
        }
    }

    pub(crate) fn names(backends: &[Self]) -> String {
        let names: Vec<&str> = backends.iter().map(|backend| backend.name()).collect();
        names.join(", ")
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
