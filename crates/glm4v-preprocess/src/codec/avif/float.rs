//! Planes to RGB in the floating-point arithmetic of libavif, for what libyuv does not know.

use re_rav1d::dav1d::PixelLayout;

use super::alpha::divided;
use super::coding::{Coding, Transform, Weights};
use super::frame::{Frame, Plane};

/// The RGB of a frame. With `alpha`, the colours are divided by it before they are rounded.
pub(super) fn pixels(
    frame: &Frame,
    coding: Coding,
    transform: Transform,
    alpha: Option<&Plane>,
) -> Vec<u8> {
    let levels = Levels::of(frame.bits, coding.full_range, transform);
    let mut pixels = Vec::with_capacity(3 * frame.size.0 * frame.size.1);
    for y in 0..frame.size.1 {
        for (x, &sample) in frame.planes[0].row(y).iter().enumerate() {
            let level = levels.brightness(sample);
            let rgb = match &frame.planes[1..] {
                [blue, red] => {
                    let [blue, red] = [blue, red].map(|plane| levels.color(frame, plane, x, y));
                    levels.rgb(transform, sample, [level, blue, red])
                }
                _ => [level; 3],
            };
            let mut rgb = rgb.map(|level| level.clamp(0.0, 1.0));
            if let Some(alpha) = alpha {
                rgb = divided(rgb, levels.share(alpha.row(y)[x]));
            }
            pixels.extend(rgb.map(|level| (0.5 + level * 255.0) as u8));
        }
    }
    pixels
}

/// Whether libavif converts pixel by pixel, with the division by alpha, or divides the bytes afterwards.
pub(super) fn divides_alpha(frame: &Frame, coding: Coding, transform: Transform) -> bool {
    let is_halved = matches!(frame.layout, PixelLayout::I420 | PixelLayout::I422);
    match transform {
        Transform::Differences(_) => is_halved,
        Transform::Identity => {
            frame.bits != 8 || frame.layout != PixelLayout::I444 || !coding.full_range
        }
        Transform::GreenOrange | Transform::GreenOrangeReversible => true,
    }
}

/// What samples mean: the brightness from 0 to 1, and colour differences around 0.
struct Levels {
    max: u16,
    brightness: Vec<f32>,
    colors: Vec<f32>,
}

impl Levels {
    fn of(bits: u32, full_range: bool, transform: Transform) -> Self {
        let max = (1 << bits) - 1;
        let (black, range, color_range) = match full_range {
            true => (0, max, max),
            false => (16 << (bits - 8), 219 << (bits - 8), 224 << (bits - 8)),
        };
        let table = |zero: u32, range: u32| -> Vec<f32> {
            let level = |sample| (sample as f32 - zero as f32) / range as f32;
            (0..=max).map(level).collect()
        };
        let brightness = table(black, range);
        let colors = match transform {
            Transform::Identity => brightness.clone(),
            Transform::Differences(_)
            | Transform::GreenOrange
            | Transform::GreenOrangeReversible => table(1 << (bits - 1), color_range),
        };
        Self {
            max: max as u16,
            brightness,
            colors,
        }
    }

    fn brightness(&self, sample: u16) -> f32 {
        self.brightness[usize::from(sample.min(self.max))]
    }

    /// A sample of full range.
    fn share(&self, sample: u16) -> f32 {
        f32::from(sample.min(self.max)) / f32::from(self.max)
    }

    /// The second or third plane at a pixel: 9, 3, 3 and 1 sixteenths of the nearest samples if they are subsampled.
    fn color(&self, frame: &Frame, plane: &Plane, x: usize, y: usize) -> f32 {
        let at = |x: usize, y: usize| self.colors[usize::from(plane.row(y)[x].min(self.max))];
        let (columns, rows) = match frame.layout {
            PixelLayout::I400 | PixelLayout::I444 => return at(x, y),
            PixelLayout::I422 => (nearest_two(x, frame.size.0), (y, y)),
            PixelLayout::I420 => (nearest_two(x, frame.size.0), nearest_two(y, frame.size.1)),
        };
        at(columns.0, rows.0) * (9.0 / 16.0)
            + at(columns.1, rows.0) * (3.0 / 16.0)
            + at(columns.0, rows.1) * (3.0 / 16.0)
            + at(columns.1, rows.1) * (1.0 / 16.0)
    }

    fn rgb(&self, transform: Transform, sample: u16, [level, first, second]: [f32; 3]) -> [f32; 3] {
        match transform {
            Transform::Identity => [second, level, first],
            Transform::Differences(weights) => weights.rgb([level, first, second]),
            Transform::GreenOrange => {
                let rest = level - first;
                [rest + second, level + first, rest - second]
            }
            Transform::GreenOrangeReversible => {
                let whole = |level: f32| (level * f32::from(self.max) + 0.5).floor() as i32;
                let (green, orange) = (whole(first), whole(second));
                let rest = i32::from(sample.min(self.max)) - (green >> 1);
                let clamped = |level: i32| level.clamp(0, 255);
                let blue = clamped(rest - (orange >> 1));
                [clamped(blue + orange), clamped(rest + green), blue]
                    .map(|level| level as f32 / 255.0)
            }
        }
    }
}

impl Weights {
    fn rgb(self, [level, blue, red]: [f32; 3]) -> [f32; 3] {
        let of_red = self.red * (1.0 - self.red) * red;
        let of_blue = self.blue * (1.0 - self.blue) * blue;
        [
            level + 2.0 * (1.0 - self.red) * red,
            level - 2.0 * (of_red + of_blue) / self.green,
            level + 2.0 * (1.0 - self.blue) * blue,
        ]
    }
}

/// The nearest of the samples that are half as many, and the next one. At both ends it is the same.
fn nearest_two(place: usize, count: usize) -> (usize, usize) {
    let nearest = place / 2;
    let is_odd = !place.is_multiple_of(2);
    let next = match place {
        0 => nearest,
        _ if is_odd && place == count - 1 => nearest,
        _ if is_odd => nearest + 1,
        _ => nearest - 1,
    };
    (nearest, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bits: u32, samples: [u16; 3]) -> Frame {
        let plane = |sample| Plane {
            width: 1,
            samples: vec![sample],
        };
        Frame {
            size: (1, 1),
            bits,
            layout: PixelLayout::I444,
            coding: Coding::UNTOLD,
            planes: samples.map(plane).to_vec(),
        }
    }

    fn rgb(bits: u32, matrix: u64, full_range: bool, samples: [u16; 3]) -> Vec<u8> {
        let coding = Coding {
            primaries: 12,
            matrix,
            full_range,
        };
        let transform = coding.transform(bits).unwrap();
        pixels(&frame(bits, samples), coding, transform, None)
    }

    #[test]
    fn every_transform_gives_gray() {
        for matrix in [4, 7, 8, 12] {
            assert_eq!(rgb(8, matrix, true, [77, 128, 128]), [77; 3], "{matrix}");
        }
        assert_eq!(rgb(8, 12, false, [235, 128, 128]), [255; 3]);
        assert_eq!(rgb(8, 0, false, [16, 235, 126]), [128, 0, 255]);
        assert_eq!(rgb(10, 16, true, [77, 512, 512]), [77; 3]);
    }

    #[test]
    fn green_and_orange() {
        // Green is the sum of brightness and first difference; the second goes from blue to red.
        assert_eq!(rgb(8, 8, true, [100, 138, 133]), [95, 110, 85]);
        // 110, 100 and 105 minus half of the differences.
        assert_eq!(rgb(10, 16, true, [100, 522, 522]), [100, 105, 90]);
    }

    #[test]
    fn subsampled_places() {
        let places = |count: usize| (0..count).map(|place| nearest_two(place, count)).collect();
        let even: Vec<_> = places(4);
        assert_eq!(even, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        let odd: Vec<_> = places(3);
        assert_eq!(odd, [(0, 0), (0, 1), (1, 0)]);
    }
}
