//! From safetensors checkpoints to the parameters of the GLM-V vision tower, and back.
//!
//! [`Checkpoint`] opens a directory in the published layout and finds the vision tower in it, whatever else the files
//! hold; [`Checkpoint::load`] builds the [`glm4v_model::VisionModel`] and reports what it read. [`random()`] builds one
//! from a seed, and [`write_checkpoint`] writes that same tower as a checkpoint which transformers loads.
//!
//! [`Stream`] builds it of bytes as they arrive.
//!
//! Only the headers and the vision tower's own bytes are read, one tensor after another.

mod checkpoint;
mod convert;
mod error;
mod file;
mod inspect;
mod parts;
mod random;
mod rooms;
mod stored;
mod stream;
mod values;
mod write;

pub use checkpoint::Checkpoint;
pub use convert::StoredDtype;
pub use error::WeightsError;
pub use glm4v_model::Arithmetic;
pub use glm4v_shards::ShardError;
pub use inspect::{Inspection, Mismatch};
pub use random::{random, random_in_parts};
pub use stream::Stream;
pub use write::{WriteOptions, write_checkpoint};
