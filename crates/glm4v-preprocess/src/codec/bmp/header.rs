use super::failed;
use crate::PreprocessError;

/// The size of the header of the file. The header of the bitmap is behind it.
const FILE_HEADER: usize = 14;
/// The place of the masks: in the header of the bitmap if it is long enough, or else behind it.
const MASKS: usize = 54;
/// The size of the only header with sides of 16 bits, and with palette entries of 3 bytes.
const OS2_VERSION_1: usize = 12;
/// Headers of OS/2 version 2 (16 and 64 bytes) and of Windows.
const SIZES: [usize; 7] = [16, 40, 52, 56, 64, 108, 124];

/// What the two headers say. A header that ends early says 0 for the rest.
pub(super) struct Header {
    /// (width, height)
    pub(super) size: (u32, u32),
    pub(super) is_top_down: bool,
    /// Bits of a pixel.
    pub(super) bits: u32,
    pub(super) compression: u32,
    /// Entries of the palette, or 0 for as many as the pixels can name.
    pub(super) colors: u32,
    /// Bytes of an entry of the palette.
    pub(super) color_bytes: usize,
    /// Where the pixels are, or 0 if they are behind all headers and the palette.
    pub(super) pixels: u32,
    /// Where the header of the bitmap ends.
    pub(super) end: usize,
}

impl Header {
    pub(super) fn read(file: &[u8]) -> Result<Self, PreprocessError> {
        let info = file.get(FILE_HEADER..).unwrap_or_default();
        let size = u32_at(info, 0).ok_or_else(cut_off)? as usize;
        if size != OS2_VERSION_1 && !SIZES.contains(&size) {
            return Err(failed(format!("a header of {size} bytes is not supported")));
        }
        let info = info.get(..size).ok_or_else(cut_off)?;
        let short = |at| u16_at(info, at).unwrap_or(0);
        let long = |at| u32_at(info, at).unwrap_or(0);
        let (pixels, end) = (u32_at(file, 10).unwrap_or(0), FILE_HEADER + size);
        if size == OS2_VERSION_1 {
            return Ok(Self {
                size: (short(4), short(6)),
                is_top_down: false,
                bits: short(10),
                compression: 0,
                colors: 0,
                color_bytes: 3,
                pixels,
                end,
            });
        }
        // As in Pillow, only a height down to -2^24 is negative. Others are beyond all limits.
        let is_top_down = info[11] == 0xff;
        let height = match is_top_down {
            true => long(8).wrapping_neg(),
            false => long(8),
        };
        Ok(Self {
            size: (long(4), height),
            is_top_down,
            bits: short(14),
            compression: long(16),
            colors: long(32),
            color_bytes: 4,
            pixels,
            end,
        })
    }

    /// The masks of red, green and blue, and where the headers end then.
    pub(super) fn masks(&self, file: &[u8]) -> Result<([u32; 3], usize), PreprocessError> {
        let mask = |index: usize| u32_at(file, MASKS + 4 * index).ok_or_else(cut_off);
        let masks = [mask(0)?, mask(1)?, mask(2)?];
        Ok((masks, self.end.max(MASKS + 12)))
    }
}

fn cut_off() -> PreprocessError {
    failed("the header is cut off")
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u32> {
    let number = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*number).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let number = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*number))
}
