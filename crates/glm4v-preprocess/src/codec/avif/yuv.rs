//! Brightness and colour differences to RGB, in the integer arithmetic of libyuv, which Pillow uses.

use image::RgbImage;
use re_rav1d::dav1d::PixelLayout;

use super::coding::Coding;
use super::frame::{Frame, Plane};
use super::{failed, unsupported};
use crate::PreprocessError;

/// Factors of libyuv: of the brightness, and in 64ths its offset and those of blue in blue, blue in green, red in
/// green and red in red.
#[derive(Clone, Copy)]
struct Factors {
    brightness: i32,
    offset: i32,
    blue: i32,
    blue_in_green: i32,
    red_in_green: i32,
    red: i32,
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

    fn of(coding: Coding) -> Option<Self> {
        Some(match (coding.matrix, coding.full_range) {
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

    fn rgb(self, brightness: u8, blue: u8, red: u8) -> [u8; 3] {
        let level = (i32::from(brightness) * 0x0101 * self.brightness) >> 16;
        let level = level + self.offset;
        let [blue, red] = [blue, red].map(|difference| i32::from(difference) - 128);
        [
            level + red * self.red,
            level - blue * self.blue_in_green - red * self.red_in_green,
            level + blue * self.blue,
        ]
        .map(|level| (level >> 6).clamp(0, 255) as u8)
    }
}

/// A frame as RGB. Gray frames are converted by libyuv only if they have transparency, and by libavif otherwise.
pub(super) fn rgb(
    frame: &Frame,
    coding: Coding,
    has_alpha: bool,
) -> Result<RgbImage, PreprocessError> {
    let pixels = match &frame.planes[..] {
        [gray] => match Factors::of(coding).filter(|_| has_alpha) {
            Some(factors) => {
                let levels = gray.samples.iter();
                levels
                    .flat_map(|&sample| factors.rgb(eight_bits(sample, frame.bits), 128, 128))
                    .collect()
            }
            None => gray_pixels(gray, frame.bits, coding.full_range),
        },
        [green, blue, red] if coding.matrix == Coding::IDENTITY => {
            if frame.layout != PixelLayout::I444 || !coding.full_range {
                return Err(unsupported("subsampled RGB"));
            }
            let [green, blue, red] = [green, blue, red].map(|plane| &plane.samples);
            let level = |sample: u16| scaled(sample, 0, (1 << frame.bits) - 1);
            let pixels = red.iter().zip(green).zip(blue);
            pixels
                .flat_map(|((&red, &green), &blue)| [red, green, blue].map(level))
                .collect()
        }
        [brightness, blue, red] => {
            let factors = Factors::of(coding)
                .ok_or_else(|| unsupported(&format!("the matrix {}", coding.matrix)))?;
            let mut pixels = Vec::with_capacity(3 * brightness.samples.len());
            for y in 0..frame.size.1 {
                let [blue, red] = [blue, red].map(|plane| color_row(frame, plane, y));
                let row = brightness.row(y).iter().zip(blue).zip(red);
                pixels.extend(row.flat_map(|((&sample, blue), red)| {
                    factors.rgb(eight_bits(sample, frame.bits), blue, red)
                }));
            }
            pixels
        }
        _ => return Err(failed("an unknown number of planes")),
    };
    let (width, height) = (frame.size.0 as u32, frame.size.1 as u32);
    Ok(RgbImage::from_raw(width, height, pixels).expect("every pixel was converted"))
}

fn gray_pixels(gray: &Plane, bits: u32, full_range: bool) -> Vec<u8> {
    let (black, white) = match full_range {
        true => (0, (1 << bits) - 1),
        false => (16 << (bits - 8), 235 << (bits - 8)),
    };
    let levels = gray.samples.iter();
    levels
        .flat_map(|&sample| [scaled(sample, black, white); 3])
        .collect()
}

/// A sample from black to white as a level, rounded.
fn scaled(sample: u16, black: i32, white: i32) -> u8 {
    let (above, span) = (i32::from(sample) - black, white - black);
    ((above * 255 * 2 + span).div_euclid(2 * span)).clamp(0, 255) as u8
}

/// The high bits of a sample.
fn eight_bits(sample: u16, bits: u32) -> u8 {
    (sample >> (bits - 8)).min(255) as u8
}

/// A colour difference for every pixel of a row. Subsampled ones are interpolated.
fn color_row(frame: &Frame, plane: &Plane, y: usize) -> Vec<u8> {
    let (width, height) = frame.size;
    let row = |y: usize| -> Vec<u32> {
        let samples = plane.row(y).iter();
        samples
            .map(|&sample| eight_bits(sample, frame.bits).into())
            .collect()
    };
    // Four times the value between the two nearest samples of a row. At both ends it is that of one sample.
    let between = |row: &[u32], x: usize| {
        let nearest = x / 2;
        let next = match x {
            0 => nearest,
            _ if x == width - 1 => nearest,
            _ if x.is_multiple_of(2) => nearest - 1,
            _ => nearest + 1,
        };
        3 * row[nearest] + row[next]
    };
    match frame.layout {
        PixelLayout::I400 | PixelLayout::I444 => {
            row(y).into_iter().map(|sample| sample as u8).collect()
        }
        PixelLayout::I422 => {
            let row = row(y);
            (0..width)
                .map(|x| ((between(&row, x) + 2) >> 2) as u8)
                .collect()
        }
        PixelLayout::I420 => {
            let nearest = row(y / 2);
            let is_edge = y == 0 || (y == height - 1 && !y.is_multiple_of(2));
            if is_edge {
                return (0..width)
                    .map(|x| ((between(&nearest, x) + 2) >> 2) as u8)
                    .collect();
            }
            let next = row(if y.is_multiple_of(2) {
                y / 2 - 1
            } else {
                y / 2 + 1
            });
            let mix = |x: usize| 3 * between(&nearest, x) + between(&next, x);
            (0..width).map(|x| ((mix(x) + 8) >> 4) as u8).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(layout: PixelLayout, size: (usize, usize), colors: (usize, Vec<u16>)) -> Frame {
        let colors = Plane {
            width: colors.0,
            samples: colors.1,
        };
        Frame {
            size,
            bits: 8,
            layout,
            coding: Coding {
                matrix: 6,
                full_range: true,
            },
            planes: vec![colors.clone(), colors.clone(), colors],
        }
    }

    #[test]
    fn colours_between_samples_are_interpolated() {
        let one_row = frame(PixelLayout::I422, (4, 1), (2, vec![0, 100]));
        assert_eq!(color_row(&one_row, &one_row.planes[1], 0), [0, 25, 75, 100]);
        let frame = frame(PixelLayout::I420, (3, 3), (2, vec![0, 100, 200, 100]));
        let rows = [0, 1, 2].map(|y| color_row(&frame, &frame.planes[1], y));
        // The middle row is three quarters of the upper one.
        assert_eq!(rows, [[0, 25, 100], [50, 63, 100], [150, 138, 100]]);
    }

    #[test]
    fn factors_give_gray_and_primary_colours() {
        let coding = |matrix, full_range| Factors::of(Coding { matrix, full_range });
        assert_eq!(coding(6, true).unwrap().rgb(77, 128, 128), [77; 3]);
        assert_eq!(coding(1, false).unwrap().rgb(16, 128, 128), [0; 3]);
        assert_eq!(coding(9, false).unwrap().rgb(235, 128, 128), [255; 3]);
        assert_eq!(coding(2, true).unwrap().rgb(76, 85, 255), [255, 0, 0]);
        assert!(coding(8, true).is_none());
    }

    #[test]
    fn gray_is_scaled_to_its_range() {
        assert_eq!(
            [0, 16, 126, 235, 255].map(|sample| scaled(sample, 16, 235)),
            [0, 0, 128, 255, 255]
        );
        assert_eq!(scaled(1023, 0, 1023), 255);
    }
}
