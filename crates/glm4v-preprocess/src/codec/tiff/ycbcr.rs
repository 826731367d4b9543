//! Brightness and two colour differences. JPEG data are converted by the JPEG decoder instead.

use super::compression::Compression;
use super::unsupported;
use crate::PreprocessError;
use crate::codec::directory::Directory;

const COEFFICIENTS: u16 = 529;
const SUBSAMPLING: u16 = 530;
const REFERENCE_LEVELS: u16 = 532;
/// The shares of red, green and blue in the brightness.
const SHARES: [f32; 3] = [0.299, 0.587, 0.114];
/// Black and white of each sample.
const LEVELS: [f32; 6] = [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];

/// The conversion to RGB, in the integer arithmetic of the reference.
#[derive(Debug)]
pub(super) struct YCbCr {
    pub(super) subsampling: (u32, u32),
    brightness: [i32; 256],
    red: [i32; 256],
    /// The parts of both colour differences, multiplied by 2 to the power of `shift`.
    green: [[i32; 256]; 2],
    blue: [i32; 256],
    shift: u32,
}

impl YCbCr {
    pub(super) fn read(
        directory: &Directory,
        compression: &Compression,
    ) -> Result<Self, PreprocessError> {
        let found: Vec<u64> = directory.integers(SUBSAMPLING).iter().take(2).collect();
        let subsampling = match found[..] {
            // The JPEG decoder gives each pixel its colour.
            _ if matches!(compression, Compression::OldJpeg(_)) => (1, 1),
            [columns @ (1 | 2 | 4), rows @ (1 | 2 | 4)] => (columns as u32, rows as u32),
            [] => (2, 2),
            ref other => return Err(unsupported(format!("the subsampling {other:?}"))),
        };
        // Pillow converts the one kind, and libtiff all others.
        if matches!(compression, Compression::None) && subsampling == (1, 1) {
            return Ok(Self::of_pillow());
        }
        let shares = directory.floats(COEFFICIENTS);
        let levels = directory.floats(REFERENCE_LEVELS);
        Ok(Self::of_libtiff(
            subsampling,
            shares.first_chunk().copied().unwrap_or(SHARES),
            levels.first_chunk().copied().unwrap_or(LEVELS),
        ))
    }

    fn of_pillow() -> Self {
        let table = |factor: f64| difference_table(|level| (factor * 64.0 * level + 0.5) as i32);
        Self {
            subsampling: (1, 1),
            brightness: std::array::from_fn(|level| level as i32),
            red: table(1.402).map(|part| part >> 6),
            green: [table(-0.34414), table(-0.71414)],
            blue: table(1.772).map(|part| part >> 6),
            shift: 6,
        }
    }

    /// `TIFFYCbCrToRGBInit` of libtiff.
    fn of_libtiff(subsampling: (u32, u32), shares: [f32; 3], levels: [f32; 6]) -> Self {
        const SHIFT: u32 = 16;
        const HALF: i32 = 1 << (SHIFT - 1);
        let fixed = |factor: f32| (f64::from(factor.clamp(0.0, 2.0)) * 65536.0 + 0.5) as i32;
        let [red, green, blue] = shares;
        let (red_factor, blue_factor) = (2.0 - 2.0 * red, 2.0 - 2.0 * blue);
        let scaled = |level: f64, black: f32, white: f32, range: f32| {
            let span = if white - black == 0.0 {
                1.0
            } else {
                white - black
            };
            let scaled = (level - f64::from(black as i32)) as f32 * range / span;
            scaled.clamp(-4096.0, 4096.0) as i32
        };
        let difference = |first: usize| {
            let (black, white) = (levels[first] - 128.0, levels[first + 1] - 128.0);
            difference_table(|level| scaled(level, black, white, 127.0))
        };
        let (of_blue, of_red) = (difference(2), difference(4));
        let red_to_green = fixed(red * red_factor / green);
        let blue_to_green = fixed(blue * blue_factor / green);
        Self {
            subsampling,
            brightness: std::array::from_fn(|level| {
                scaled(level as f64, levels[0], levels[1], 255.0)
            }),
            red: of_red.map(|part| (fixed(red_factor) * part + HALF) >> SHIFT),
            green: [
                of_blue.map(|part| -blue_to_green * part + HALF),
                of_red.map(|part| -red_to_green * part),
            ],
            blue: of_blue.map(|part| (fixed(blue_factor) * part + HALF) >> SHIFT),
            shift: SHIFT,
        }
    }

    pub(super) fn rgb(&self, [brightness, blue, red]: [u8; 3]) -> [u8; 3] {
        let [brightness, blue, red] = [brightness, blue, red].map(usize::from);
        let brightness = self.brightness[brightness];
        let green = (self.green[0][blue] + self.green[1][red]) >> self.shift;
        [self.red[red], green, self.blue[blue]]
            .map(|difference| (brightness + difference).clamp(0, 255) as u8)
    }
}

/// A value for each level of a colour difference, which is 0 at 128.
fn difference_table(value: impl Fn(f64) -> i32) -> [i32; 256] {
    std::array::from_fn(|level| value(level as f64 - 128.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gray_stays_gray_and_red_is_red() {
        for ycbcr in [
            YCbCr::of_pillow(),
            YCbCr::of_libtiff((1, 1), SHARES, LEVELS),
        ] {
            for level in [0, 99, 255] {
                assert_eq!(ycbcr.rgb([level, 128, 128]), [level; 3]);
            }
            let [red, green, blue] = ycbcr.rgb([76, 85, 255]);
            assert!(
                red >= 253 && green <= 1 && blue <= 1,
                "{red} {green} {blue}"
            );
        }
    }
}
