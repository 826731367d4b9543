//! What the cross-crate tests and the parity table share: goldens, and the comparison with them.

mod devices;
mod difference;
mod gguf;
mod golden;
mod inputs;
mod parity;
mod paths;
mod random;
mod random_case;
mod video;

pub use devices::{attention, load_options, open_device, tiny_encoder};
pub use difference::Difference;
pub use gguf::{GGUF_GOLDENS, export_gguf};
pub use golden::{Expected, Golden};
pub use inputs::{Batch, Input, Sampled, Synthetic};
pub use parity::{Comparison, F32_TOLERANCE, Row, compare, reduced_stage, reference_patches, time};
pub use paths::{differential_dir, golden_dir, image_path, video_path};
pub use random::Random;
pub use random_case::random_case;
pub use video::{no_video_decoder, open_video};

/// The examples of the README. They are compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The recipes of docs/cookbook.md. They are compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/cookbook.md")]
struct Cookbook;
