//! What the cross-crate tests and the parity table share: goldens, and the comparison with them.

mod difference;
mod golden;
mod inputs;
mod parity;
mod video;

pub use difference::Difference;
pub use golden::{Expected, Golden, golden_dir, image_path, video_path};
pub use inputs::{Batch, Input, Sampled, Synthetic};
pub use parity::{
    Comparison, F32_TOLERANCE, Row, attention, compare, own_stage, reference_patches, time,
};
pub use video::{no_video_decoder, open_video};
