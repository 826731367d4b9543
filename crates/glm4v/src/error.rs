use glm4v_config::ConfigError;
use glm4v_model::Cancelled;
use glm4v_preprocess::PreprocessError;
use glm4v_weights::WeightsError;

use crate::devices::{ComputeType, DeviceError};

/// Why something cannot be loaded, read or encoded.
///
/// ```
/// use glm4v::{Error, VisionEncoder};
///
/// let error = VisionEncoder::from_pretrained("no-such-directory").unwrap_err();
/// assert!(matches!(error, Error::NoSuchModel { .. }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An image or video cannot be read or preprocessed.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// An input cannot be fetched.
    #[error("{0}")]
    Fetch(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A device cannot be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A model cannot be fetched.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] glm4v_hub::HubError),
    /// There is no checkpoint of this name.
    #[error("{name}: there is no such checkpoint directory ({hint})")]
    NoSuchModel {
        /// The name.
        name: String,
        /// How to name a model.
        hint: &'static str,
    },
    /// The patches do not fit the tower.
    #[error("the patches do not fit the tower: expected {expected}, found {found}")]
    Patches {
        /// What the tower reads.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An index is out of range.
    #[error("{what} {found} does not exist: expected 0 to {}", count.saturating_sub(1))]
    Range {
        /// What the index counts.
        what: &'static str,
        /// The index.
        found: usize,
        /// The number of them.
        count: usize,
    },
    /// The numbers of placeholders and of embeddings differ.
    #[error(
        "the prompt has {found} placeholders (token {placeholder}), but there are {embeddings} embeddings: write one \
         placeholder for each embedding"
    )]
    Placeholders {
        /// The token that stands for one embedding.
        placeholder: i64,
        /// The number of embeddings.
        embeddings: usize,
        /// The number of placeholders.
        found: usize,
    },
    /// A tensor has the wrong shape.
    #[error("{what}: expected shape {expected}, found {found:?}")]
    Shape {
        /// The tensor.
        what: &'static str,
        /// The expected shape.
        expected: String,
        /// The shape.
        found: Vec<usize>,
    },
    /// The device does not compute in this type.
    #[error("{device} does not compute in {dtype}: {}", instead(*dtype))]
    Dtype {
        /// The device.
        device: String,
        /// The type.
        dtype: ComputeType,
    },
    /// burn would round f32 to TF32 on CUDA, because a crate of this build has turned its feature `fusion` on.
    #[error(
        "f32 on CUDA is inexact in this build, because a crate has turned burn's feature fusion on: turn it off, or use bf16"
    )]
    Fusion,
    /// The work does not fit into memory, even with the smallest limits.
    #[error(
        "needs at least {} of memory{}; {} is {}",
        bytes(*needed), of_weights(*weights), limit_name(*limit), bytes(*available)
    )]
    Memory {
        /// Bytes that the work needs with the smallest limits.
        needed: u64,
        /// Bytes of these for the weights. It is 0 if the weights are in other memory.
        weights: u64,
        /// Bytes that are available.
        available: u64,
        /// What limits the memory.
        limit: MemoryLimit,
    },
    /// A tensor is too large for the device, even with the smallest limits.
    #[error(
        "needs a tensor of {}, but a buffer of the device can have {}: use smaller images or another device",
        bytes(*needed), bytes(*allowed)
    )]
    Buffer {
        /// Bytes of the tensor.
        needed: u64,
        /// Bytes of the largest buffer.
        allowed: u64,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Execution(String),
    /// The work was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// One of several devices failed.
    #[error("on device {index} of {count} ({device}): {source}")]
    OnDevice {
        /// The device, counted from 0.
        index: usize,
        /// The number of devices.
        count: usize,
        /// The name that burn gives it.
        device: String,
        /// What failed.
        source: Box<Error>,
    },
    /// Encoders cannot work together.
    #[error("encoders that work together need one configuration, found {found}")]
    Replicas {
        /// What was given.
        found: String,
    },
}

/// What limits the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// A limit that the user set.
    Allowed,
    /// The memory of the machine.
    Machine,
}

impl From<Cancelled> for Error {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

const fn instead(dtype: ComputeType) -> &'static str {
    match dtype {
        ComputeType::Float(_) => "use f32, which every device has",
        ComputeType::Int8 => "use the device flex, or a floating-point type",
    }
}

const fn limit_name(limit: MemoryLimit) -> &'static str {
    match limit {
        MemoryLimit::Allowed => "the memory limit",
        MemoryLimit::Machine => "the memory of the machine",
    }
}

fn of_weights(weights: u64) -> String {
    match weights {
        0 => String::new(),
        weights => format!(", {} of it for the weights", bytes(weights)),
    }
}

/// As in `1.66 GiB`.
fn bytes(bytes: u64) -> String {
    match bytes as f64 / f64::from(1 << 20) {
        mib if mib < 1024.0 => format!("{mib:.2} MiB"),
        mib => format!("{:.2} GiB", mib / 1024.0),
    }
}
