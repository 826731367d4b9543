use super::failed;
use crate::PreprocessError;

/// Most entries that the header may claim, and most that a palette may have.
const MAX_CLAIMED: u32 = 1 << 16;
const MAX_COLORS: usize = 256;

/// The colours of the indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Palette {
    /// Indices behind the end are black.
    Colors(Vec<[u8; 3]>),
    /// Black, or black and white. Pillow drops such a palette: all indices but 0 are white.
    BlackAndWhite,
    /// Each index is a level of gray. Pillow drops such a palette, so that indices behind its end are levels, too.
    Gray,
}

impl Palette {
    /// The palette of `count` entries at a place in the file, or the part of it that the file has.
    pub(super) fn read(
        file: &[u8],
        at: usize,
        count: u32,
        color_bytes: usize,
    ) -> Result<Self, PreprocessError> {
        let too_large = || failed(format!("a palette of {count} colours is not supported"));
        if count > MAX_CLAIMED {
            return Err(too_large());
        }
        let entries = file.get(at..).unwrap_or_default();
        let colors: Vec<[u8; 3]> = entries
            .chunks_exact(color_bytes)
            .take(count as usize)
            .map(|entry| [entry[2], entry[1], entry[0]])
            .collect();
        let is_whole = colors.len() == count as usize;
        if is_whole && matches!(colors[..], [BLACK] | [BLACK, WHITE]) {
            return Ok(Self::BlackAndWhite);
        }
        if is_whole && count > 2 && is_gray(&colors) {
            return Ok(Self::Gray);
        }
        if colors.len() > MAX_COLORS {
            return Err(too_large());
        }
        Ok(Self::Colors(colors))
    }

    /// The bits of a pixel that Pillow reads, whatever the header says, when it drops the palette. It fails where the file
    /// is too short for them.
    pub(super) const fn bits_without(&self) -> Option<u32> {
        match self {
            Self::Colors(_) => None,
            Self::BlackAndWhite => Some(1),
            Self::Gray => Some(8),
        }
    }

    pub(super) fn color(&self, index: u8) -> [u8; 3] {
        match self {
            Self::Colors(colors) => {
                let color = colors.get(usize::from(index));
                color.copied().unwrap_or(BLACK)
            }
            Self::BlackAndWhite if index == 0 => BLACK,
            Self::BlackAndWhite => WHITE,
            Self::Gray => [index; 3],
        }
    }

    /// Draws a row of indices of `bits` bits. The first index is in the high bits.
    pub(super) fn draw(&self, row: &[u8], bits: u32, line: &mut [[u8; 3]]) {
        let mask = u8::MAX >> (8 - bits);
        let shifts = || (0..8).step_by(bits as usize).rev();
        let indices = row
            .iter()
            .flat_map(|byte| shifts().map(move |shift| byte >> shift & mask));
        for (rgb, index) in line.iter_mut().zip(indices) {
            *rgb = self.color(index);
        }
    }
}

const BLACK: [u8; 3] = [0; 3];
const WHITE: [u8; 3] = [u8::MAX; 3];

/// Whether each index is a level of gray. From 256 on they start again.
fn is_gray(colors: &[[u8; 3]]) -> bool {
    let levels = (0..=u8::MAX).cycle();
    colors
        .iter()
        .zip(levels)
        .all(|(color, level)| *color == [level; 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grays(count: usize) -> Vec<u8> {
        let levels = (0..=u8::MAX).cycle().take(count);
        levels.flat_map(|level| [level; 3]).collect()
    }

    fn read(bytes: &[u8], count: u32) -> Palette {
        Palette::read(bytes, 0, count, 3).unwrap()
    }

    #[test]
    fn a_palette_of_gray_is_dropped() {
        assert_eq!(read(&grays(3), 3), Palette::Gray);
        assert_eq!(read(&grays(300), 300), Palette::Gray);
        assert_eq!(read(&[0; 3], 1), Palette::BlackAndWhite);
        assert_eq!(read(&[0, 0, 0, 255, 255, 255], 2), Palette::BlackAndWhite);
        for (bytes, count) in [
            // Black behind white, two other grays, a part of the palette, a colour at its end.
            (&[255, 255, 255, 0, 0, 0][..], 2),
            (&grays(2), 2),
            (&grays(3), 4),
            (&[0, 0, 0, 1, 1, 1, 2, 2, 3], 3),
        ] {
            assert!(
                matches!(read(bytes, count), Palette::Colors(_)),
                "{bytes:?}"
            );
        }
        assert_eq!(Palette::Gray.color(200), [200; 3]);
        assert_eq!(Palette::BlackAndWhite.color(2), [255; 3]);
    }

    #[test]
    fn entries_have_blue_first_and_missing_ones_are_black() {
        let palette = Palette::read(&[9, 1, 2, 3, 0, 4, 5, 6, 0, 7], 1, 9, 4).unwrap();
        assert_eq!(palette, Palette::Colors(vec![[3, 2, 1], [6, 5, 4]]));
        assert_eq!(palette.color(2), [0; 3]);
        let behind_the_end = Palette::read(&[1, 2, 3], 9, 1, 3).unwrap();
        assert_eq!(behind_the_end.color(0), [0; 3]);
    }

    #[test]
    fn a_palette_that_is_too_large_is_refused() {
        let colors = vec![7; 3 * 257];
        assert!(Palette::read(&colors, 0, 256, 3).is_ok());
        assert!(Palette::read(&colors, 0, 257, 3).is_err());
        assert!(Palette::read(&[], 0, 65_537, 3).is_err());
    }

    #[test]
    fn the_first_index_is_in_the_high_bits() {
        let indices = |bits, count| {
            let mut line = vec![[0; 3]; count];
            Palette::Gray.draw(&[0b1110_0100, 0b1000_0000], bits, &mut line);
            line.iter().map(|rgb| rgb[0]).collect::<Vec<_>>()
        };
        assert_eq!(indices(1, 9), [1, 1, 1, 0, 0, 1, 0, 0, 1]);
        assert_eq!(indices(2, 5), [3, 2, 1, 0, 2]);
        assert_eq!(indices(4, 3), [14, 4, 8]);
        assert_eq!(indices(8, 2), [0b1110_0100, 128]);
    }
}
