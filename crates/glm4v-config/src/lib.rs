//! The vision configuration of a GLM-V checkpoint.
//!
//! - [`VisionConfig`] is the `vision_config` of `config.json`.
//! - [`ImageProcessorConfig`] is `preprocessor_config.json`.
//! - [`VideoProcessorConfig`] is `video_preprocessor_config.json`.
//! - [`ProcessorFiles`] finds both in the files of a checkpoint, also in `processor_config.json` of transformers 5.
//! - [`Preset`] provides these configurations without files.
//! - [`GridThw`] is the patch grid of one image or video.
//! - [`Environment`] is the configuration in environment variables: where the user's caches are.
//!
//! Fields have the names that they have in the files. Every configuration that is read from a file is validated. An
//! unsupported value is a [`ConfigError`] that names its field.
//!
//! ```
//! use glm4v_config::{GridThw, Preset, VisionConfig};
//!
//! let config = VisionConfig::from_json(r#"{"model_type": "glm4v", "vision_config": {"depth": 2}}"#)?;
//! assert_eq!((config.depth, config.hidden_size), (2, 1536));
//! assert_eq!(Preset::Glm41V9B.vision().num_parameters(), 892_498_432);
//! assert_eq!(GridThw::new(1, 24, 36).num_tokens(config.spatial_merge_size), 216);
//! # Ok::<(), glm4v_config::ConfigError>(())
//! ```

mod activation;
mod budget;
mod environment;
mod error;
mod grid;
mod infinity;
mod json;
mod json_lenient;
mod limits;
mod model_type;
mod parameter;
mod patch_kind;
mod preset;
mod processor;
mod processor_class;
mod processor_files;
mod read;
mod resample;
mod sampling;
mod substitute;
mod validate;
mod vision;

pub use activation::HiddenAct;
pub use budget::SizeBudget;
pub use environment::Environment;
pub use error::ConfigError;
pub use grid::{GridThw, TokenBox};
pub use limits::{SizeLimits, TokenLimits};
pub use model_type::{ModelType, TransformersNames, VisionModelType};
pub use parameter::Parameter;
pub use patch_kind::PatchKind;
pub use preset::Preset;
pub use processor::{ImageProcessorConfig, VideoProcessorConfig};
pub use processor_class::ProcessorClass;
pub use processor_files::ProcessorFiles;
pub use resample::Resample;
pub use sampling::{FrameSampling, SamplingRule};
pub use substitute::Substitute;
pub use vision::{RopeParameters, VisionConfig};
