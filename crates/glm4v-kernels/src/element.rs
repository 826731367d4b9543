//! The number types of inputs and outputs.

use half::bf16;

/// The type of a row's values: `f32` or `bf16`. All arithmetic between reading and writing is f32.
pub trait Element: Copy + Default + Send + Sync + sealed::Sealed + 'static {
    /// The value, exactly.
    fn to_f32(self) -> f32;

    /// The value, rounded to the nearest, and to even halfway between two. NaN stays NaN.
    fn from_f32(value: f32) -> Self;
}

impl Element for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }
}

impl Element for bf16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_bits((bf16_bits(value) >> 16) as u16)
    }
}

/// `value` rounded to bf16, in the upper half of a word. The lower half is zero. The code has no branch, so that it vectorises.
#[inline(always)]
pub(crate) fn bf16_bits(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    let quiet = bits | 0x0040_0000;
    (if value.is_nan() { quiet } else { rounded }) & 0xffff_0000
}

mod sealed {
    use half::bf16;

    use super::bf16_bits;

    pub trait Sealed {
        /// The result of [`bf16_bits`] for the value.
        fn rounded_bits(self) -> u32;
    }

    impl Sealed for f32 {
        #[inline(always)]
        fn rounded_bits(self) -> u32 {
            bf16_bits(self)
        }
    }

    impl Sealed for bf16 {
        #[inline(always)]
        fn rounded_bits(self) -> u32 {
            u32::from(self.to_bits()) << 16
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_nearest_even_and_keeps_nan() {
        let cases = [
            0.0,
            -0.0,
            1.0,
            1.003_906_2, // halfway between 1 and the next: to even, 1
            1.011_718_8, // halfway between two others: to even, up
            f32::MAX,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MIN_POSITIVE / 3.0,
            -1e-44,
        ];
        for value in cases {
            assert_eq!(
                <bf16 as Element>::from_f32(value),
                bf16::from_f32(value),
                "{value}"
            );
        }
        for bits in [0x7f80_0001, 0x7fff_ffff, 0xffc0_0000] {
            assert!(<bf16 as Element>::from_f32(f32::from_bits(bits)).is_nan());
        }
    }
}
