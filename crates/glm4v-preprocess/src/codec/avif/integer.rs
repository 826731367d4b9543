//! Brightness and colour differences to RGB, in the integer arithmetic of libyuv, which libavif uses where it can.

use re_rav1d::dav1d::PixelLayout;

use super::coding::Coding;
use super::frame::{Frame, Plane};
use super::upsample::{color_row, nearest_row};

/// Factors of libyuv: of the brightness, and in 64ths its offset and those of blue in blue, blue in green, red in
/// green and red in red.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    brightness: i32,
    offset: i32,
    blue: i32,
    blue_in_green: i32,
    red_in_green: i32,
    red: i32,
}

/// What is done to samples of more than 8 bits. libyuv has functions that read them only where there is alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    /// They are cut to 8 bits first.
    Cut,
    /// Colours are interpolated before they are cut, and the brightness is not cut.
    Whole,
    /// The brightness is not cut, and a colour is that of the nearest sample.
    WholeNearest,
}

impl Factors {
    const fn new(
        brightness: i32,
        offset: i32,
        [blue, blue_in_green, red_in_green, red]: [i32; 4],
    ) -> Self {
        Self {
            brightness,
            offset,
            blue,
            blue_in_green,
            red_in_green,
            red,
        }
    }

    /// `None` for a coding that libyuv does not know.
    pub(super) fn of(coding: Coding, is_gray: bool) -> Option<Self> {
        let matrix = match (coding.matrix, coding.primaries) {
            (0, _) if is_gray => 6,
            // The matrix is derived from the primaries, which are those of a matrix.
            (12, 1 | 2) => 1,
            (12, 5 | 6) => 6,
            (12, 9) => 9,
            (matrix, _) => matrix,
        };
        Some(match (matrix, coding.full_range) {
            (1, true) => Self::new(16320, 32, [119, 12, 30, 101]),
            (1, false) => Self::new(18997, -1160, [128, 14, 34, 115]),
            // Not specified counts as BT.601.
            (2 | 5 | 6, true) => Self::new(16320, 32, [113, 22, 46, 90]),
            (2 | 5 | 6, false) => Self::new(18997, -1160, [128, 25, 52, 102]),
            (9, true) => Self::new(16320, 32, [120, 11, 37, 94]),
            (9, false) => Self::new(19003, -1160, [128, 12, 42, 107]),
            _ => return None,
        })
    }

    /// The brightness has 16 bits, and the differences 8.
    fn rgb(self, brightness: u32, blue: u32, red: u32) -> [u8; 3] {
        let level = (u64::from(brightness) * self.brightness as u64) >> 16;
        let level = level as i32 + self.offset;
        let [blue, red] = [blue, red].map(|difference| difference.min(255) as i32 - 128);
        [
            level + red * self.red,
            level - blue * self.blue_in_green - red * self.red_in_green,
            level + blue * self.blue,
        ]
        .map(|level| (level >> 6).clamp(0, 255) as u8)
    }
}

/// The RGB of a frame.
pub(super) fn pixels(frame: &Frame, factors: Factors, has_alpha: bool) -> Vec<u8> {
    let bits = frame.bits;
    let precision = precision(frame, has_alpha);
    let brightness = |&sample: &u16| match precision {
        Precision::Cut => u32::from(eight_bits(sample, bits)) * 0x0101,
        // Its highest bits are repeated below.
        Precision::Whole | Precision::WholeNearest => {
            u32::from(sample) << (16 - bits) | u32::from(sample) >> (2 * bits - 16)
        }
    };
    let colors = |plane: &Plane, y| -> Vec<u32> {
        let (row, excess) = match precision {
            Precision::Cut => {
                let cut = |sample| eight_bits(sample, bits).into();
                (color_row(frame, plane, y, cut), 0)
            }
            Precision::Whole => (color_row(frame, plane, y, u32::from), bits - 8),
            Precision::WholeNearest => (nearest_row(plane, frame.size.0, y), bits - 8),
        };
        row.into_iter().map(|color| color >> excess).collect()
    };
    let mut pixels = Vec::with_capacity(3 * frame.size.0 * frame.size.1);
    for y in 0..frame.size.1 {
        let row = frame.planes[0].row(y).iter().map(brightness);
        match &frame.planes[1..] {
            [blue, red] => {
                let colors = colors(blue, y).into_iter().zip(colors(red, y));
                let row = row.zip(colors);
                pixels.extend(row.flat_map(|(level, (blue, red))| factors.rgb(level, blue, red)));
            }
            _ => pixels.extend(row.flat_map(|level| factors.rgb(level, 128, 128))),
        }
    }
    pixels
}

/// Whether alpha of more than 8 bits is cut to 8, as libyuv does it, and not rounded.
pub(super) fn cuts_alpha(frame: &Frame) -> bool {
    let is_gray = frame.layout == PixelLayout::I400;
    !is_gray && precision(frame, true) != Precision::WholeNearest
}

fn precision(frame: &Frame, has_alpha: bool) -> Precision {
    match (frame.bits, frame.layout) {
        _ if !has_alpha => Precision::Cut,
        (10, PixelLayout::I420 | PixelLayout::I422 | PixelLayout::I444) => Precision::Whole,
        (12, PixelLayout::I420) => Precision::WholeNearest,
        _ => Precision::Cut,
    }
}

/// The high bits of a sample.
pub(super) fn eight_bits(sample: u16, bits: u32) -> u8 {
    (sample >> (bits - 8)).min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_give_gray_and_primary_colours() {
        let factors = |primaries, matrix, full_range| {
            let coding = Coding {
                primaries,
                matrix,
                full_range,
            };
            Factors::of(coding, false)
        };
        let rgb = |factors: Option<Factors>, brightness: u32, blue, red| {
            factors.unwrap().rgb(brightness * 0x0101, blue, red)
        };
        assert_eq!(rgb(factors(1, 6, true), 77, 128, 128), [77; 3]);
        assert_eq!(rgb(factors(1, 1, false), 16, 128, 128), [0; 3]);
        assert_eq!(rgb(factors(1, 9, false), 235, 128, 128), [255; 3]);
        assert_eq!(rgb(factors(1, 2, true), 76, 85, 255), [255, 0, 0]);
        assert_eq!(rgb(factors(5, 12, true), 76, 85, 255), [255, 0, 0]);
        assert!(factors(12, 12, true).is_none() && factors(1, 8, true).is_none());
    }

    #[test]
    fn identity_is_known_for_gray_only() {
        let coding = Coding {
            matrix: 0,
            ..Coding::UNTOLD
        };
        assert!(Factors::of(coding, true).is_some());
        assert!(Factors::of(coding, false).is_none());
    }

    #[test]
    fn ten_bits_are_cut_only_without_alpha() {
        let plane = |samples: &[u16]| Plane {
            width: 1,
            samples: samples.to_vec(),
        };
        let frame = Frame {
            size: (1, 1),
            bits: 10,
            layout: PixelLayout::I444,
            coding: Coding::UNTOLD,
            planes: vec![plane(&[3]), plane(&[512]), plane(&[512])],
        };
        let factors = Factors::of(frame.coding, false).unwrap();
        // 3 of 1023 is 0.75 of 255.
        assert_eq!(pixels(&frame, factors, false), [0; 3]);
        assert_eq!(pixels(&frame, factors, true), [1; 3]);
    }
}
