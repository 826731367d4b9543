//! The transparency of an image. Its colours do not depend on it, unless they were multiplied by it.

use super::frame::Plane;

/// How an image is transparent.
pub(super) enum Alpha {
    Absent,
    /// Pixels have more than their visible colours need.
    Straight,
    /// Colours were multiplied by these samples of full range.
    Multiplied(Plane),
}

/// Colours that were multiplied by a share.
pub(super) fn divided(rgb: [f32; 3], share: f32) -> [f32; 3] {
    match share {
        0.0 => [0.0; 3],
        share if share < 1.0 => rgb.map(|level| (level / share).min(1.0)),
        _ => rgb,
    }
}

/// Divides the colours of pixels by their alpha, as libyuv does it on x86-64.
pub(super) fn divide(pixels: &mut [u8], alpha: impl Iterator<Item = u8>) {
    for (pixel, alpha) in pixels.chunks_exact_mut(3).zip(alpha) {
        // 65536 times the inverse, in 16 bits.
        let inverse = match alpha {
            0 => 0,
            1 => 0xffff,
            255 => 0x100,
            alpha => 0x10000 / u32::from(alpha),
        };
        for level in pixel {
            let divided = (u32::from(*level) * 0x0101 * inverse) >> 16;
            // libyuv packs signed words, so the highest ones become 0.
            *level = match divided {
                0x8000.. => 0,
                divided => divided.min(255) as u8,
            };
        }
    }
}

/// A sample as a level of 8 bits, rounded.
pub(super) fn rounded(sample: u16, bits: u32) -> u8 {
    let max = f32::from(((1_u32 << bits) - 1) as u16);
    (0.5 + f32::from(sample) / max * 255.0).min(255.0) as u8
}

/// A sample of limited range as one of full range, as libavif rounds it.
pub(super) fn to_full_range(sample: u16, bits: u32) -> u16 {
    let (black, white) = (16 << (bits - 8), 235 << (bits - 8));
    let (max, range) = ((1 << bits) - 1, white - black);
    let level: i32 = ((i32::from(sample) - black) * max + range / 2) / range;
    level.clamp(0, max) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_divided_by_alpha() {
        let mut pixels = [64, 128, 0, 9, 9, 9, 200, 100, 255, 1, 127, 128];
        divide(&mut pixels, [128, 0, 255, 1].into_iter());
        assert_eq!(pixels, [128, 255, 0, 0, 0, 0, 200, 100, 255, 255, 255, 0]);
        assert_eq!(divided([0.25, 0.5, 0.75], 0.5), [0.5, 1.0, 1.0]);
        assert_eq!(divided([0.25; 3], 0.0), [0.0; 3]);
        assert_eq!(divided([0.25; 3], 1.0), [0.25; 3]);
    }

    #[test]
    fn samples_are_rounded() {
        let levels = [0, 2, 3, 1023].map(|sample| rounded(sample, 10));
        assert_eq!(levels, [0, 0, 1, 255]);
        let levels = [0, 16, 126, 235, 255].map(|sample| to_full_range(sample, 8));
        assert_eq!(levels, [0, 0, 128, 255, 255]);
    }
}
