//! What the targets share. Each target is one file in `fuzz_targets/`; `cargo xtask fuzz` builds and runs them.

#[cfg(feature = "images")]
mod builders;
mod contained;
#[cfg(feature = "images")]
mod images;
mod texts;
mod tower;

#[cfg(feature = "images")]
pub use builders::{bytes, png_chunk, zlib};
pub use contained::contained;
#[cfg(feature = "images")]
pub use images::{check_animation, check_image, options};
pub use texts::{parts, scratch};
pub use tower::{tiny, tiny_json};
