//! The host kernels of the GLM-V vision tower, over slices.
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
#[cfg(test)]
mod testing;
mod tile;
mod weight;

pub use activation::Activation;
pub use attention::{Attention, Heads};
pub use element::Element;
pub use gated::PackedGate;
pub use isa::Isa;
pub use norm::{LayerNorm, RmsNorm};
pub use rotary::Rotary;
pub use weight::{PackedWeight, Precision};
