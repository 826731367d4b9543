//! The host kernels of the GLM-V vision tower, over slices: what takes its time on a CPU, and no tensor library.
//!
//! - [`PackedWeight`] and [`PackedGate`]: weights packed once at load, and their products with rows; the gated one writes
//!   only the activated result.
//! - [`Attention`]: heads and segments without a matrix of scores.
//! - [`RmsNorm`], [`LayerNorm`], [`Rotary`], [`Activation`]: what stands between them, in one pass each.
//!
//! Rows are of `f32` or `bf16` ([`Element`]), in and out separately; all arithmetic between is in f32, and results are
//! rounded once. [`Precision`] is what the operands of products are rounded to. The instructions are chosen at run time
//! ([`Isa`]), the work is spread over rayon's threads, and no result depends on how many there are.
//!
//! ```
//! use glm4v_kernels::{PackedWeight, Precision};
//!
//! let weight = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]; // [out 2, in 3]
//! let packed = PackedWeight::new(&weight, Some(&[0.5, -0.5]), [2, 3], Precision::F32);
//! let mut out = [0.0_f32; 4];
//! packed.product(&[1.0_f32, 0.0, 0.0, 1.0, 1.0, 1.0], &mut out);
//! assert_eq!(out, [1.5, 3.5, 6.5, 14.5]);
//! ```

mod activation;
mod attention;
mod buffer;
mod element;
mod gated;
mod isa;
mod math;
mod norm;
mod pack;
mod panels;
mod parts;
mod product;
mod rotary;
mod taps;
#[cfg(test)]
mod testing;
mod tile;
mod turn;
mod weight;

pub use activation::Activation;
pub use attention::{Attention, Heads, Keys};
pub use element::Element;
pub use gated::PackedGate;
pub use isa::Isa;
pub use norm::{LayerNorm, RmsNorm};
pub use rotary::Rotary;
pub use taps::Taps;
pub use weight::{PackedWeight, Precision};
