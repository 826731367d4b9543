//! What the cross-crate tests and the parity table share: goldens, and the comparison with them.

mod difference;
mod golden;
mod parity;

pub use difference::Difference;
pub use golden::{Expected, Golden, golden_dir, image_path};
pub use parity::{Comparison, F32_TOLERANCE, Row, compare, own_stage, time};
