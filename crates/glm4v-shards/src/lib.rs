//! Which bytes of which files a vision tower is, and where they go: no network, no files.
//!
//! [`Index`] says which shards hold the tower, [`Header`] where in a shard its tensors lie, [`tower()`] which of them are
//! the tower's, and [`Plan`] which ranges to ask for and where each byte of them belongs in one safetensors file.

mod error;
mod header;
mod index;
mod layout;
mod ranges;
mod tower;

pub use error::ShardError;
pub use header::{Header, Tensor};
pub use index::Index;
pub use layout::Plan;
pub use ranges::{Chunk, Limits, Piece};
pub use tower::{Comparison, Place, Shard, Tower, tower};

/// What a file says, fit for a terminal.
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
