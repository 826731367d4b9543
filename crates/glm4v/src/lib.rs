//! The GLM-V vision encoder: images and videos to the embeddings that GLM-4.1V, GLM-4.5V, GLM-4.6V, GLM-5.3-Flash, GLM-GA and
//! GLM-OCR feed to their language models. The values equal those of transformers 5.23.
//!
//! ```
//! use glm4v::{LoadOptions, Preset, VisionEncoder};
//! # let paths = ["chelsea.png", "rgb-60x83.png"].map(|name| format!("{}/../../tests/images/{name}", env!("CARGO_MANIFEST_DIR")));
//!
//! // Random weights; VisionEncoder::from_pretrained("zai-org/GLM-4.1V-9B-Thinking") has trained ones.
//! let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
//! for item in encoder.encode_paths(paths) {
//!     let item = item?; // the error of one input does not affect the others
//!     println!("{}: {} tokens", item.input.name, item.input.tokens);
//!     let values: Vec<f32> = item.embeddings.into_values()?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`VisionEncoder::encode_paths`] is the [`pipeline`]. Underneath, a [`Processor`] makes [`Patches`] on the host, and
//! [`VisionEncoder::encode`] encodes one packed batch of them.
//!
//! Backends are cargo features: `flex` (the default), `ndarray`, `wgpu`, `vulkan`, `webgpu`, `metal` and `cuda`. A program can
//! contain several, and [`DeviceSpec`] selects one at run time.

mod batching;
#[cfg(feature = "store")]
pub mod cached;
pub mod devices;
mod encoder;
mod error;
mod local_model;
mod model_name;
mod options;
pub mod pipeline;
pub mod plan;
pub mod prompt;
pub mod viz;

/// What configurations say: `config.json`, the files of the processors, presets.
pub mod config {
    pub use glm4v_config::*;
}

/// Image and video files to patch rows.
pub mod preprocess {
    pub use glm4v_preprocess::*;
}

/// The tower: its stages, its modes, its memory.
pub mod model {
    pub use glm4v_model::*;
}

/// Checkpoints and GGUF files: finding, reading, inspecting, writing.
pub mod weights {
    pub use glm4v_weights::*;

    pub use crate::local_model::{LocalModel, ProcessorSource};
    pub use crate::model_name::is_local;
}

pub use burn;
pub use burn::tensor::{Device, FloatDType, Tensor};
pub use devices::{ComputeType, DeviceSpec};
pub use encoder::{Embeddings, EncodeOutput, LoadOptions, VisionEncoder, values};
pub use error::Error;
pub use glm4v_config::{GridThw, Preset, VisionConfig};
#[cfg(feature = "hub")]
pub use glm4v_hub as hub;
pub use glm4v_model::CancelToken;
pub use glm4v_preprocess::{Patches, Processor, open_image};
#[cfg(feature = "store")]
pub use glm4v_store as store;
pub use image;
pub use options::{AttentionQuery, EncodeOptions};
pub use pipeline::{InputError, InputSource, Item};
pub use plan::Plan;
