//! The colours of a TIFF file.

use super::compression::Compression;
use super::photometric::{BLACK_IS_ZERO, CMYK, PALETTE, RGB, WHITE_IS_ZERO, YCBCR, photometric};
use super::sample::SampleType;
use super::ycbcr::YCbCr;
use super::{failed, unsupported};
use crate::PreprocessError;
use crate::codec::cmyk::cmyk_to_rgb;
use crate::codec::directory::Directory;

const COLOR_MAP: u16 = 320;
const EXTRA_SAMPLES: u16 = 338;

/// The kind of an extra sample: alpha, with which the colours are multiplied.
const ASSOCIATED_ALPHA: u64 = 1;

/// What the samples of a pixel mean. Samples behind the colours are alpha or unused. Alpha is ignored, unless the
/// colours are multiplied with it.
#[derive(Debug)]
pub(super) enum ColorModel {
    Gray {
        inverted: bool,
        /// The greatest level.
        white: u8,
        multiplied: bool,
    },
    Palette(Vec<[u8; 3]>),
    Rgb {
        multiplied: bool,
    },
    Cmyk,
    YCbCr(Box<YCbCr>),
}

impl ColorModel {
    pub(super) fn read(
        directory: &Directory,
        compression: &Compression,
        samples: usize,
        sample: SampleType,
    ) -> Result<Self, PreprocessError> {
        let photometric = photometric(directory);
        let multiplied = directory.integer(EXTRA_SAMPLES) == Some(ASSOCIATED_ALPHA);
        let model = match photometric {
            WHITE_IS_ZERO | BLACK_IS_ZERO => Self::Gray {
                inverted: photometric == WHITE_IS_ZERO && !is_clipped(sample),
                white: sample.max_level(),
                multiplied: multiplied && samples > 1,
            },
            PALETTE => Self::Palette(palette(directory, sample)?),
            CMYK => Self::Cmyk,
            // One sample is the brightness alone, as in Pillow.
            YCBCR if samples == 1 => Self::Gray {
                inverted: false,
                white: sample.max_level(),
                multiplied: false,
            },
            // The JPEG decoder gives RGB.
            YCBCR if !matches!(compression, Compression::Jpeg(_)) => {
                Self::YCbCr(Box::new(YCbCr::read(directory, compression)?))
            }
            RGB | YCBCR => Self::Rgb {
                multiplied: multiplied && samples > 3,
            },
            other => return Err(unsupported(format!("the colour space {other}"))),
        };
        model.check(samples, sample)?;
        Ok(model)
    }

    fn check(&self, samples: usize, sample: SampleType) -> Result<(), PreprocessError> {
        use SampleType as S;
        let (needed, fits) = match self {
            Self::Gray { .. } => (1, samples == 1 || !is_clipped(sample)),
            Self::Palette(_) => (1, matches!(sample, S::Bits(_) | S::Byte)),
            Self::Rgb { .. } => (3, matches!(sample, S::Byte | S::Bits16)),
            Self::Cmyk => (4, matches!(sample, S::Byte | S::Bits16)),
            Self::YCbCr(_) => (3, sample == S::Byte && samples == 3),
        };
        if fits && samples >= needed {
            return Ok(());
        }
        let bits = sample.bits();
        Err(unsupported(format!(
            "{samples} samples of {bits} bits in this colour space"
        )))
    }

    /// How many (columns, rows) of pixels share their colour.
    pub(super) fn subsampling(&self) -> (u32, u32) {
        match self {
            Self::YCbCr(ycbcr) => ycbcr.subsampling,
            Self::Gray { .. } | Self::Palette(_) | Self::Rgb { .. } | Self::Cmyk => (1, 1),
        }
    }

    /// The levels of a pixel as RGB.
    pub(super) fn rgb(&self, levels: &[u8]) -> [u8; 3] {
        match self {
            Self::Gray {
                inverted,
                white,
                multiplied,
            } => {
                // 1, 2, 4 and 8 bits: 255 is a multiple of their greatest level.
                let level = levels[0] * (u8::MAX / white);
                let level = if *inverted { u8::MAX - level } else { level };
                [if *multiplied {
                    divided(level, levels[1])
                } else {
                    level
                }; 3]
            }
            Self::Palette(colors) => colors
                .get(usize::from(levels[0]))
                .copied()
                .unwrap_or_default(),
            Self::Rgb { multiplied } => {
                let color = [levels[0], levels[1], levels[2]];
                match multiplied {
                    true => color.map(|level| divided(level, levels[3])),
                    false => color,
                }
            }
            Self::Cmyk => cmyk_to_rgb([levels[0], levels[1], levels[2], levels[3]]),
            Self::YCbCr(ycbcr) => ycbcr.rgb([levels[0], levels[1], levels[2]]),
        }
    }
}

/// Whether Pillow clips the samples instead of scaling them.
fn is_clipped(sample: SampleType) -> bool {
    matches!(
        sample,
        SampleType::Signed16 | SampleType::Bits32 | SampleType::Float
    )
}

/// All red levels, then all green ones, then all blue ones, with 16 bits.
fn palette(directory: &Directory, sample: SampleType) -> Result<Vec<[u8; 3]>, PreprocessError> {
    let levels = directory.integers(COLOR_MAP);
    let count = levels.len() / 3;
    if count == 0 {
        return Err(failed("the palette is missing"));
    }
    let high = |index: usize| (levels.get(index).unwrap_or(0) >> 8) as u8;
    let colors = (0..count.min(usize::from(sample.max_level()) + 1))
        .map(|index| [high(index), high(count + index), high(2 * count + index)]);
    Ok(colors.collect())
}

/// A level that was multiplied with an alpha, as Pillow divides it.
fn divided(level: u8, alpha: u8) -> u8 {
    let level = u32::from(level) * 255;
    let level = level.checked_div(alpha.into()).unwrap_or(0);
    level.min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gray_of_few_bits_is_scaled_and_inverted() {
        let gray = |inverted, white| ColorModel::Gray {
            inverted,
            white,
            multiplied: false,
        };
        assert_eq!(gray(false, 15).rgb(&[3]), [51; 3]);
        assert_eq!(gray(true, 1).rgb(&[1]), [0; 3]);
        assert_eq!(gray(true, 3).rgb(&[1]), [170; 3]);
        assert_eq!(gray(false, 255).rgb(&[77, 9]), [77; 3]);
    }

    #[test]
    fn multiplied_colours_are_divided() {
        let rgb = ColorModel::Rgb { multiplied: true };
        assert_eq!(rgb.rgb(&[10, 20, 30, 0]), [0; 3]);
        assert_eq!(rgb.rgb(&[10, 20, 30, 255]), [10, 20, 30]);
        // 10 · 255 / 20 = 127
        assert_eq!(rgb.rgb(&[10, 20, 30, 20]), [127, 255, 255]);
    }

    #[test]
    fn a_colour_beyond_the_palette_is_black() {
        let palette = ColorModel::Palette(vec![[1, 2, 3]]);
        assert_eq!(palette.rgb(&[0]), [1, 2, 3]);
        assert_eq!(palette.rgb(&[1]), [0; 3]);
    }
}
