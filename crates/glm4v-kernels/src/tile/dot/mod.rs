//! The micro-kernels of integers: the sums of one group, scaled and added to the tile.
//!
//! Sums of a group are exact. Scales are multiplied and added in one order and never fused. So all of these kernels give the same
//! bits, and each one is checked against the portable one before it is used.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod vnni;

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::Amx;
use super::{COLUMNS, Kernel, Multiply};
use crate::format::{Bytes, GROUP};
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::x86;

/// Rows of the product that checks a kernel: whole panels of every kernel, and several of each.
const CHECKED_ROWS: usize = 96;

/// The instructions that sum products of integers. On each architecture, later ones are faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dot {
    /// Products of i16 in portable Rust
    Portable,
    /// Two bytes, then pairs of i16: `VPMADDUBSW` and `VPMADDWD` of AVX2
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Four bytes: `VPDPBUSD` of AVX-VNNI
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// Four bytes: `VPDPBUSD` of AVX-512 VNNI
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// 64 bytes of 16 rows and 16 columns: `TDPBSSD` of AMX
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// Four bytes: `SDOT`
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    /// Eight bytes of two rows and two columns: `SMMLA`
    #[cfg(target_arch = "aarch64")]
    NeonMatrix,
    /// A loop like `VPDPBUSD`
    #[cfg(test)]
    ModelOfVnni,
    /// A loop like `SMMLA`
    #[cfg(test)]
    ModelOfMatrix,
    /// A loop like `TDPBSSD`
    #[cfg(test)]
    ModelOfAmx,
}

impl Dot {
    const ALL: &[Self] = &[
        Self::Portable,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::AvxVnni,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512Vnni,
        #[cfg(target_arch = "x86_64")]
        Self::Amx,
        #[cfg(target_arch = "aarch64")]
        Self::NeonDot,
        #[cfg(target_arch = "aarch64")]
        Self::NeonMatrix,
    ];

    /// The fastest instructions of this processor that give the bits of the portable kernel.
    pub(super) fn detected() -> Self {
        static DETECTED: OnceLock<Dot> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let mut fastest_first = Self::ALL.iter().rev().copied();
            let agreeing = fastest_first.find(|dot| dot.is_available() && dot.agrees());
            agreeing.unwrap_or(Self::Portable)
        })
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(super) fn available() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|dot| dot.is_available())
    }

    /// Loops that read the panels of instructions which this processor may lack.
    #[cfg(test)]
    pub(super) fn modelled() -> [Self; 3] {
        [Self::ModelOfVnni, Self::ModelOfMatrix, Self::ModelOfAmx]
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Amx::is_on() && x86::has_byte_tiles(),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonMatrix => std::arch::is_aarch64_feature_detected!("i8mm"),
            #[cfg(test)]
            Self::ModelOfVnni | Self::ModelOfMatrix | Self::ModelOfAmx => true,
        }
    }

    /// # Panics
    /// If the processor lacks the instructions. Kernels run only after this check.
    pub(super) fn check(self) {
        assert!(self.is_available(), "{self:?} is missing on this processor");
    }

    pub(super) fn multiply(self) -> Multiply {
        match self {
            Self::Portable => portable::shorts,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::bytes,
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => vnni::avx,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => vnni::avx512,
            #[cfg(target_arch = "x86_64")]
            Self::Amx => amx::bytes,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => neon::dot,
            #[cfg(target_arch = "aarch64")]
            Self::NeonMatrix => neon::matrix,
            #[cfg(test)]
            Self::ModelOfVnni => super::model::unsigned,
            #[cfg(test)]
            Self::ModelOfMatrix => super::model::octets,
            #[cfg(test)]
            Self::ModelOfAmx => super::model::byte_tiles,
        }
    }

    /// The order of left panels.
    pub(super) fn rows(self) -> Bytes {
        match self {
            Self::Portable => Bytes::Shorts,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Bytes::Signed,
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni | Self::Avx512Vnni => Bytes::SignedAndSum,
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Bytes::Steps,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => Bytes::Signed,
            #[cfg(target_arch = "aarch64")]
            Self::NeonMatrix => Bytes::Octets,
            #[cfg(test)]
            Self::ModelOfVnni => Bytes::SignedAndSum,
            #[cfg(test)]
            Self::ModelOfMatrix => Bytes::Octets,
            #[cfg(test)]
            Self::ModelOfAmx => Bytes::Steps,
        }
    }

    /// The order of right panels.
    pub(super) fn weights(self) -> Bytes {
        match self.rows() {
            Bytes::Shorts | Bytes::Signed | Bytes::Steps => Bytes::Signed,
            Bytes::SignedAndSum | Bytes::Unsigned => Bytes::Unsigned,
            Bytes::Octets => Bytes::Octets,
        }
    }

    /// Whether products run on the tiles of AMX.
    pub(super) fn uses_amx(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::AvxVnni | Self::Avx512Vnni => false,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot | Self::NeonMatrix => false,
            #[cfg(test)]
            Self::ModelOfVnni | Self::ModelOfMatrix | Self::ModelOfAmx => false,
            Self::Portable => false,
        }
    }

    /// Whether products have the bits of the portable kernel.
    fn agrees(self) -> bool {
        self.product() == Self::Portable.product()
    }

    /// The bits of a product: a group, and the same group added to it.
    fn product(self) -> Vec<u32> {
        let kernel = Kernel::of_bytes(Isa::detected(), self);
        let (rows, columns) = (samples(CHECKED_ROWS, 97), samples(COLUMNS, 53));
        let panel_words = kernel.rows() * kernel.left().words(GROUP);
        let mut left = vec![0; CHECKED_ROWS / kernel.rows() * panel_words];
        let mut right = vec![0; COLUMNS * kernel.right().words(GROUP)];
        let factors = [1.0; GROUP];
        let panels = left.chunks_exact_mut(panel_words);
        for (panel, rows) in panels.zip(rows.chunks_exact(kernel.rows())) {
            kernel.pack_rows(|row| &rows[row], &factors, panel);
        }
        kernel.pack_weights(|column| &columns[column], &factors, &mut right);
        let mut tiles = [[0.0; COLUMNS]; CHECKED_ROWS];
        let multiplier = kernel.begin();
        multiplier.with_right(&right, |right| {
            multiplier.multiply_panels(&left, right, &mut tiles, false);
            multiplier.multiply_panels(&left, right, &mut tiles, true);
        });
        let values = tiles.as_flattened().iter();
        values.map(|value| value.to_bits()).collect()
    }
}

/// Groups to check a kernel with. In every third one, all integers are 127 or −127: products of two such groups have the largest
/// sums.
fn samples(count: usize, factor: usize) -> Vec<[f32; GROUP]> {
    let sample = |lane: usize| match lane % 3 {
        0 => std::array::from_fn(|i| f32::from(i == lane)),
        _ => std::array::from_fn(|i| ((lane * GROUP + i) * factor % 255) as f32 - 127.0),
    };
    (0..count).map(sample).collect()
}

/// The integers of each step of a panel, and the words that follow them: the scales, and the sums if there are any.
#[inline(always)]
fn split<const LANES: usize>(panel: &[u32], bytes: Bytes) -> (&[[u32; LANES]], &[[u32; LANES]]) {
    let (words, _) = panel.as_chunks();
    words.split_at(bytes.steps())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_gives_the_bits_of_the_portable_one() {
        for dot in Dot::available().chain(Dot::modelled()) {
            assert!(dot.agrees(), "{dot:?}");
        }
    }

    /// `cargo xtask test-arm` names the instructions of the processor that it emulates.
    #[test]
    fn the_instructions_are_those_of_the_processor() {
        if let Ok(expected) = std::env::var("GLM4V_TEST_DOT") {
            assert_eq!(format!("{:?}", Dot::detected()), expected);
        }
    }

    /// The check of a kernel would not see a wrong correction of unsigned bytes if all sums were 0.
    #[test]
    fn samples_have_large_sums() {
        let product = Dot::Portable.product();
        let values: Vec<f32> = product.into_iter().map(f32::from_bits).collect();
        assert_eq!(values[0], 2.0);
        assert!(values.iter().filter(|value| value.abs() > 100.0).count() > 100);
    }
}
