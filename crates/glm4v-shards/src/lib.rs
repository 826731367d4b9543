//! Finds the bytes of a vision tower in the files of a checkpoint. This crate reads neither files nor the network.
//!
//! - [`Index`] lists the shards that contain the tower.
//! - [`Header`] lists the tensors of a shard and their bytes.
//! - [`tower()`] selects the tensors of the tower.
//! - [`Plan`] lists the ranges to fetch, and where each byte belongs in one new safetensors file.
//! - [`Arrivals`] finds the tensors in bytes that arrive in slices.

mod arrivals;
mod encoding;
mod error;
mod header;
mod index;
mod layout;
mod ranges;
mod tower;

pub use arrivals::{ArrivalError, Arrivals};
pub use encoding::Encoding;
pub use error::ShardError;
pub use header::{Header, Tensor};
pub use index::Index;
pub use layout::Plan;
pub use ranges::{Chunk, CopyRange, Limits};
pub use tower::{Comparison, Found, Place, Shard, Tower, tower};

/// Text from a file, with control characters replaced. A terminal would obey them.
fn printable(text: &str) -> String {
    let plain = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(plain).collect()
}
