//! The GLM-V vision tower on [burn], independent of any backend.
//!
//! [`VisionModel`] is transformers' `Glm4vVisionModel` (5.23): patch rows go in, one embedding a token comes out. Its
//! modules and their fields are named as the checkpoint's keys. The crate reads no file and enables no backend: the
//! caller's [`ParameterSource`] gives the parameters, and every tensor lives on the device where those are.
//!
//! What depends on the grids of a batch alone (order of the patches, position taps, rotary angles, attention segments)
//! is worked out once a call, on the host, by [`Walk`].

mod arithmetic;
mod attention;
mod block;
mod embeddings;
mod footprint;
mod host;
mod join;
mod linear;
mod merger;
mod mlp;
mod model;
mod norm;
mod patch_embed;
mod rotary;
mod source;
mod stage;
mod tiles;
mod walk;

pub use arithmetic::Arithmetic;
pub use attention::Attention;
pub use block::Block;
pub use embeddings::Embeddings;
pub use footprint::Footprint;
pub use glm4v_kernels::Precision;
pub use host::{HostWeight, PackedGateUp, PackedLinear};
pub use join::join;
pub use linear::{Linear, Weight};
pub use merger::Merger;
pub use mlp::{GateUp, GateUpWeights, Mlp};
pub use model::{Pass, VisionModel, VisionOutput};
pub use norm::{LayerNorm, RmsNorm};
pub use patch_embed::PatchEmbed;
pub use source::ParameterSource;
pub use stage::Stage;
pub use tiles::AttentionMethod;
pub use walk::{Run, Walk};
