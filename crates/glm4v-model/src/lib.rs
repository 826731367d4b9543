//! The GLM-V vision tower, exact to transformers' `Glm4vVisionModel` (5.23): patch rows in, one embedding a token out.
//!
//! [`VisionModel`] runs in one of two ways, its [`ComputeMode`]: with the operations of a [burn] backend, or on the CPU with the
//! kernels of this project. Both run the same forward pass over the same stages. A [`TowerBuilder`] collects the parameters;
//! this crate reads no file and enables no backend.
//!
//! The grids of a batch decide the order of the patches, their attention segments, the position taps and the rotary angles.
//! They are computed once a call.

#[cfg(all(feature = "gpu", not(any(feature = "wgpu", feature = "cuda"))))]
compile_error!("the feature gpu needs a backend: turn on wgpu or cuda instead");

mod activation;
mod builder;
mod cancel;
mod cpu;
mod device;
mod footprint;
mod forward;
mod fused;
mod join;
mod layout;
mod mode;
mod model;
mod options;
mod parameters;
mod patch_rows;
mod positions;
#[cfg(feature = "gpu")]
mod primitive;
mod product;
mod rotary;
mod stage;
mod tiles;

pub use builder::TowerBuilder;
pub use cancel::{CancelToken, Cancelled};
pub use cpu::{CpuBuilder, StoredValues};
pub use device::{DeviceBuilder, Linear};
pub use footprint::{Footprint, Pass};
pub use glm4v_kernels::{Amx, Precision, SharedBytes};
pub use join::join;
pub use mode::ComputeMode;
pub use model::VisionModel;
pub use options::{ForwardOptions, VisionOutput};
pub use parameters::MissingParameter;
pub use patch_rows::PatchRows;
#[cfg(feature = "gpu")]
pub use primitive::fusion_is_on;
pub use stage::{Observer, Stage};
pub use tiles::AttentionMethod;
