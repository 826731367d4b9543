//! The CPU kernels of the GLM-V vision tower. They work on slices and need no tensor library.
//!
//! - [`PackedWeight`] and [`PackedGate`] are weights that are packed once, and multiply rows. The gated product writes only its
//!   activated result.
//! - [`Attention`] computes heads and segments without a matrix of scores.
//! - [`RmsNorm`], [`LayerNorm`], [`Rotary`], [`Activation`] and [`Taps`] read their rows once.
//! - [`PackedParts`] are packed weights to store. Later they are used in place, from a mapped file for example.
//!
//! Inputs and outputs are rows of `f32` or `bf16` ([`Element`]). All sums are f32, and results are rounded once. [`Precision`] is
//! the precision of a product's operands. The instruction set is chosen at run time ([`Isa`]). The work is spread over rayon's
//! threads; no result depends on their number.
//!
//! ```
//! use glm4v_kernels::{PackedWeight, Precision};
//!
//! let weight = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]; // [out 2, in 3]
//! let packed = PackedWeight::new(&weight, [2, 3], Precision::F32).with_bias(&[0.5, -0.5]);
//! let mut out = [0.0_f32; 4];
//! packed.product(&[1.0_f32, 0.0, 0.0, 1.0, 1.0, 1.0], &mut out);
//! assert_eq!(out, [1.5, 3.5, 6.5, 14.5]);
//! ```

mod activation;
mod attention;
mod buffer;
mod bytes;
mod disjoint;
mod element;
mod format;
mod gated;
mod isa;
mod math;
mod norm;
mod pack;
mod panels;
mod precision;
mod product;
mod rotary;
mod shared;
mod taps;
#[cfg(test)]
mod testing;
mod tile;
mod transpose;
mod weight;

pub use activation::Activation;
pub use attention::{Attention, Heads, Keys};
pub use element::Element;
pub use gated::PackedGate;
pub use isa::Isa;
pub use norm::{LayerNorm, RmsNorm};
pub use panels::{PackedParts, packed_layout};
pub use precision::Precision;
pub use rotary::Rotary;
pub use shared::SharedBytes;
pub use taps::Taps;
pub use tile::{Amx, instructions};
pub use weight::PackedWeight;
