use std::path::PathBuf;

use burn::tensor::FloatDType;
use glm4v_config::ConfigError;
use glm4v_preprocess::PreprocessError;
use glm4v_weights::WeightsError;

use crate::DeviceError;

/// Why pictures or clips cannot be encoded.
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
    /// Two configurations that belong together cut different patches.
    #[error("{one} has {field} {one_has}, {other} {other_has}")]
    Disagreement {
        /// The field, as the processors call it.
        field: &'static str,
        /// The one, and its file.
        one: &'static str,
        /// Its value.
        one_has: usize,
        /// The other, and its file.
        other: &'static str,
        /// Its value.
        other_has: usize,
    },
    /// The patches are not such as the tower reads.
    #[error("patches do not fit the tower: expected {expected}, found {found}")]
    Patches {
        /// What the tower reads.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Something is wanted of the tower, or of the batch, that there is not.
    #[error("expected {what} from 0 to {}, found {found}", count - 1)]
    Wanted {
        /// What is wanted.
        what: &'static str,
        /// Which.
        found: usize,
        /// How many there are.
        count: usize,
    },
    /// The checkpoint says nothing about clips.
    #[error(
        "{}: expected it for clips, found no such file; copy it from the published checkpoint",
        file.display()
    )]
    NoVideoProcessor {
        /// Where it should be.
        file: PathBuf,
    },
    /// The embeddings are not as many as the placeholders in the prompt.
    #[error(
        "expected as many placeholders (token {placeholder}) in the prompt as there are embeddings, {embeddings}, found {found}"
    )]
    Placeholders {
        /// The token that stands for an embedding.
        placeholder: i64,
        /// How many embeddings there are.
        embeddings: usize,
        /// How many placeholders there are.
        found: usize,
    },
    /// A tensor has another shape than it must.
    #[error("{what}: expected shape {expected}, found {found:?}")]
    Shape {
        /// The tensor.
        what: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: Vec<usize>,
    },
    /// The device cannot compute in this type.
    #[error("{device} does not compute in {}", name(*dtype))]
    Dtype {
        /// The device.
        device: String,
        /// The type asked for.
        dtype: FloatDType,
    },
    /// The work does not fit in memory, however it is cut.
    #[error("needs {} of memory, allowed are {}", bytes(*needed), bytes(*allowed))]
    Memory {
        /// Bytes that it takes in the smallest parts.
        needed: u64,
        /// Bytes that it may take.
        allowed: u64,
    },
    /// A tensor is larger than a buffer of the device may be, however the work is cut.
    #[error("needs a tensor of {}, the device's buffers hold at most {}", bytes(*needed), bytes(*allowed))]
    Buffer {
        /// Bytes of the tensor.
        needed: u64,
        /// Bytes that a buffer holds.
        allowed: u64,
    },
    /// The device failed while it ran.
    #[error("the device failed: {0}")]
    Execution(String),
    /// One of several devices that work together cannot do its share.
    #[error("on device {index} of {count} ({device}): {source}")]
    OnDevice {
        /// Which, counted from 0.
        index: usize,
        /// How many there are.
        count: usize,
        /// What burn calls it.
        device: String,
        /// What is wrong.
        source: Box<Error>,
    },
    /// Encoders that are to work together are not of one tower, or there is none.
    #[error("expected at least one encoder, all of one tower, found {found}")]
    Towers {
        /// What was given.
        found: String,
    },
}

fn name(dtype: FloatDType) -> String {
    format!("{dtype:?}").to_lowercase()
}

/// As in `1.66 GiB`.
fn bytes(bytes: u64) -> String {
    match bytes as f64 / f64::from(1 << 20) {
        mib if mib < 1024.0 => format!("{mib:.2} MiB"),
        mib => format!("{:.2} GiB", mib / 1024.0),
    }
}
