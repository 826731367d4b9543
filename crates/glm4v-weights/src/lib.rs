//! Loads the parameters of the GLM-V vision tower, and writes them as safetensors checkpoints or GGUF files.
//!
//! - [`Checkpoint`] opens a directory in the published layout, or an `mmproj` file of llama.cpp. It finds the vision tower
//!   among the tensors, and [`Checkpoint::load`] builds a [`glm4v_model::VisionModel`]. [`Checkpoint::write_gguf`] and
//!   [`Checkpoint::write_safetensors`] write the tower alone.
//! - [`PackedCache`] keeps packed weights for the next start, which maps them into memory.
//! - [`random()`] builds a tower of random parameters from a seed.
//! - [`Loader`] builds a tower from bytes that arrive in any order. The other two use it.
//! - [`Checkpoint::fingerprint`] tells whether two towers are equal. [`FileStates`] tell whether files changed.
//! - [`write_checkpoint`] writes the tower of [`random()`] as a checkpoint that transformers loads.
//!
//! Only the headers and the bytes of the vision tower are read. Memory holds the tower and one or two tensors besides.

mod checkpoint;
mod convert;
mod cpu;
mod device;
mod error;
mod export;
mod file;
mod file_states;
mod fingerprint;
mod gguf;
mod incoming;
mod inspect;
mod loader;
mod packed;
mod random;
mod safetensors_files;
mod scratch;
mod stored;
mod write;

pub use checkpoint::Checkpoint;
pub use error::WeightsError;
pub use file_states::FileStates;
pub use fingerprint::Fingerprint;
pub use gguf::gguf_file;
pub use glm4v_gguf::{GgufError, Mmproj};
pub use glm4v_shards::{Encoding, ShardError};
pub use inspect::{Inspection, Mismatch};
pub use loader::{Loader, LoaderOptions};
pub use packed::{PackedCache, Packing};
pub use random::random;
pub use write::{WriteOptions, write_checkpoint};

/// The key that published checkpoints have for a parameter.
fn published_key(parameter: &glm4v_config::Parameter) -> String {
    format!("model.visual.{}", parameter.key)
}
