//! Loads the parameters of the GLM-V vision tower, and writes them as safetensors checkpoints.
//!
//! - [`Checkpoint`] opens a directory in the published layout. It finds the vision tower among the tensors, and
//!   [`Checkpoint::load`] builds a [`glm4v_model::VisionModel`].
//! - [`random()`] builds a tower of random parameters from a seed.
//! - [`Loader`] builds a tower from bytes that arrive in any order. The other two use it.
//! - [`Checkpoint::fingerprint`] tells whether two towers are equal.
//! - [`write_checkpoint`] writes the tower of [`random()`] as a checkpoint that transformers loads.
//!
//! Only the headers and the bytes of the vision tower are read. Memory holds the tower and one or two tensors besides.

mod checkpoint;
mod convert;
mod cpu;
mod device;
mod error;
mod file;
mod fingerprint;
mod incoming;
mod inspect;
mod loader;
mod random;
mod scratch;
mod write;

pub use checkpoint::Checkpoint;
pub use error::WeightsError;
pub use fingerprint::Fingerprint;
pub use glm4v_shards::{Encoding, ShardError};
pub use inspect::{Inspection, Mismatch};
pub use loader::{Loader, LoaderOptions};
pub use random::random;
pub use write::{WriteOptions, write_checkpoint};
