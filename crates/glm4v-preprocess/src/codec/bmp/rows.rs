use image::RgbImage;

use super::failed;
use super::layout::Layout;
use crate::PreprocessError;

/// Uncompressed rows of pixels. Their starts are a multiple of 4 bytes apart.
pub(super) struct Rows<'a> {
    size: (u32, u32),
    is_top_down: bool,
    pixels: &'a [u8],
    /// Bytes from one row to the next.
    stride: usize,
    /// Bytes of a row that are used.
    row_bytes: usize,
}

impl<'a> Rows<'a> {
    /// Rows of pixels of `used_bits` bits. The file must have all of them. Behind the last one, the bytes that fill it up may
    /// be missing.
    pub(super) fn new(layout: &Layout<'a>, used_bits: u32) -> Result<Self, PreprocessError> {
        let (width, height) = layout.size;
        let bits = |bits: u32| u64::from(width) * u64::from(bits);
        let row_bytes = bits(used_bits).div_ceil(8);
        let stride = (bits(layout.pixel_bits).div_ceil(32) * 4).max(row_bytes);
        let needed = stride
            .checked_mul(u64::from(height) - 1)
            .and_then(|before| before.checked_add(row_bytes));
        let found = layout.pixels.len();
        if needed.is_none_or(|needed| needed > found as u64) {
            return Err(failed("the file ends before its last row of pixels"));
        }
        Ok(Self {
            size: layout.size,
            is_top_down: layout.is_top_down,
            pixels: layout.pixels,
            // Only a single row can be so long, with the bytes that fill it up.
            stride: usize::try_from(stride).unwrap_or(found),
            row_bytes: row_bytes as usize,
        })
    }

    /// Draws each row with `draw`.
    pub(super) fn draw(&self, draw: impl Fn(&[u8], &mut [[u8; 3]])) -> RgbImage {
        let (width, height) = self.size;
        let mut image = RgbImage::new(width, height);
        let (pixels, _) = image.as_chunks_mut::<3>();
        let lines = pixels.chunks_exact_mut(width as usize);
        let rows = self
            .pixels
            .chunks(self.stride)
            .map(|row| &row[..self.row_bytes.min(row.len())]);
        if self.is_top_down {
            rows.zip(lines).for_each(|(row, line)| draw(row, line));
        } else {
            rows.zip(lines.rev())
                .for_each(|(row, line)| draw(row, line));
        }
        image
    }
}
