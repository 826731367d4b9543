//! The GLM-V vision encoder: pictures to the embeddings that GLM-4.1V, GLM-4.5V and GLM-4.6V feed to their language
//! models, equal to those of transformers 5.23.
//!
//! ```
//! use glm4v::{DeviceSpec, Preset, VisionEncoder};
//!
//! # fn main() -> Result<(), glm4v::Error> {
//! let device = "auto".parse::<DeviceSpec>()?.open()?;
//! let encoder = VisionEncoder::random(Preset::Tiny, 0, &device)?; // or from_dir("GLM-4.1V-9B-Thinking", &device)?
//! let photo = glm4v::image::DynamicImage::new_rgb8(640, 480); // or glm4v::open("cat.jpg", &Default::default())?
//! let patches = encoder.processor().images(&[photo])?; // on the host; token counts are known here
//! let output = encoder.encode(&patches)?; // on the device
//! for item in output.items() {
//!     assert_eq!(item.embeddings.dims(), [391, 256]); // [tokens, out_hidden_size]
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A clip's frames, from memory, become patches through [`VideoProcessor`], and go into [`VisionEncoder::encode`] like
//! those of pictures; [`Patches::concat`] mixes both in one batch.
//!
//! Backends are cargo features (`flex`, the default, `ndarray`, `wgpu`, `vulkan`, `webgpu`, `metal`, `cuda`); any
//! number of them can be built in, and [`DeviceSpec`] chooses one at run time.

mod components;
mod details;
mod device;
mod encoder;
mod error;
mod input;
mod language;
mod machine;
mod output;
mod parallel;
mod pieces;
mod plan;
mod processor;
pub mod prompt;

pub use burn;
pub use burn::tensor::{Device, FloatDType, Tensor};
pub use components::{colours, principal_components};
pub use details::{AttentionQuery, Details, Wanted};
pub use device::{Backend, DeviceError, DeviceInfo, DeviceKind, DeviceSpec, DeviceSpecs, devices};
pub use encoder::VisionEncoder;
pub use error::Error;
pub use glm4v_config::{
    ConfigError, FrameSampling, GridThw, HiddenAct, ImageProcessorConfig, ModelType, Parameter,
    Preset, Resample, RopeParameters, SamplingRule, SizeLimits, TokenBox, VideoProcessorConfig,
    VisionConfig, VisionModelType,
};
#[cfg(feature = "hub")]
pub use glm4v_hub as hub;
pub use glm4v_model::{
    AttentionMethod, Footprint, ParameterSource, Pass, Precision, Stage, VisionModel, VisionOutput,
};
pub use glm4v_preprocess::{
    Clip, ClipInfo, ClipSource, Held, Media, MediaInfo, MediaOptions, OpenOptions, PatchRows,
    Patches, PreprocessError, StillSource, VideoProcessor, decode, open, sample_frames, unpatchify,
};
pub use glm4v_weights::{
    Arithmetic, Checkpoint, Inspection, Mismatch, StoredDtype, Stream, WeightsError, WriteOptions,
    random as random_model, random_in_parts as random_model_in_parts, write_checkpoint,
};
pub use image;
pub use input::{Batch, Frames, Input, InputInfo};
pub use language::{Projection, scatter};
pub use machine::available_memory;
pub use output::{Embeddings, Item, values};
pub use parallel::ParallelEncoder;
pub use plan::{Cut, Plan, PlanItem, Target};
pub use processor::Processor;

/// The README's example, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The recipes of docs/cookbook.md, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/cookbook.md")]
struct Cookbook;
