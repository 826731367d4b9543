use burn::tensor::FloatDType;
use glm4v_config::ConfigError;
use glm4v_preprocess::PreprocessError;
use glm4v_weights::WeightsError;

use crate::DeviceError;

/// Why pictures cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration is missing or refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A picture cannot be read or preprocessed.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A device cannot be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The processor's patches are not such as the tower reads.
    #[error(
        "the processor (preprocessor_config.json) has {field} {processor}, the tower (config.json) {tower}"
    )]
    Disagreement {
        /// The field, as the processor calls it.
        field: &'static str,
        /// The processor's value.
        processor: usize,
        /// The tower's value.
        tower: usize,
    },
    /// The patches are not such as the tower reads.
    #[error("patches do not fit the tower: expected {expected}, found {found}")]
    Patches {
        /// What the tower reads.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The device cannot compute in this type.
    #[error("{device} does not compute in {}", name(*dtype))]
    Dtype {
        /// The device.
        device: String,
        /// The type asked for.
        dtype: FloatDType,
    },
    /// The device failed while it ran.
    #[error("the device failed: {0}")]
    Execution(String),
}

fn name(dtype: FloatDType) -> String {
    format!("{dtype:?}").to_lowercase()
}
