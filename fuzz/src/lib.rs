//! What the targets share. Each target is one file in `fuzz_targets/`; `cargo xtask fuzz` builds and runs them.

#[cfg(feature = "images")]
mod builders;
#[cfg(feature = "images")]
mod images;
mod texts;
mod tower;

#[cfg(feature = "images")]
pub use builders::{bytes, png_chunk, zlib};
#[cfg(feature = "images")]
pub use images::{check_animation, check_image, contained, options};
pub use texts::{parts, scratch};
pub use tower::{tiny, tiny_json};
