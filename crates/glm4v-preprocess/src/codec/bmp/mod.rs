//! Bitmaps of Windows and OS/2, with Pillow's pixels. Alpha is dropped, as in `load_image`.

mod channel;
mod code;
mod header;
mod layout;
mod palette;
mod rows;
mod runs;

use image::RgbImage;
use image::metadata::Orientation;

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::stored::StoredImage;
use crate::PreprocessError;
use layout::{Coding, Layout};
use rows::Rows;

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    // Rows are read where they lie in the file, so nothing is needed beside the result.
    Ok(StoredImage::rgb(Layout::read(bytes, limits)?.size))
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let layout = Layout::read(bytes, limits)?;
    let image = match &layout.coding {
        Coding::Indices(palette) => {
            let has = |bits: &u32| Rows::new(&layout, *bits).is_ok();
            let bits = palette
                .bits_without()
                .filter(has)
                .unwrap_or(layout.pixel_bits);
            Rows::new(&layout, bits)?.draw(|row, line| palette.draw(row, bits, line))
        }
        Coding::Channels(channels) => {
            let pixel_bits = layout.pixel_bits;
            Rows::new(&layout, pixel_bits)?
                .draw(|row, line| channel::draw(row, pixel_bits, channels, line))
        }
        Coding::Runs { code, palette } => runs::decode(&layout, *code, palette)?,
    };
    Ok((image, Orientation::NoTransforms))
}

fn failed(message: impl Into<String>) -> PreprocessError {
    PreprocessError::decode(ImageCodec::Bmp.name(), message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of 8 bits a pixel with the palette red, green, blue, and the size (width, height).
    fn file(size: [i32; 2], compression: u32, pixels: &[u8]) -> Vec<u8> {
        let mut file = b"BM\0\0\0\0\0\0\0\0\x42\0\0\0\x28\0\0\0".to_vec();
        file.extend(size.map(i32::to_le_bytes).concat());
        file.extend([1, 0, 8, 0]);
        file.extend([compression, 0, 0, 0, 3, 0].map(u32::to_le_bytes).concat());
        file.extend([0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0]);
        file.extend(pixels);
        file
    }

    const R: [u8; 3] = [255, 0, 0];
    const G: [u8; 3] = [0, 255, 0];
    const B: [u8; 3] = [0, 0, 255];

    fn pixels(file: &[u8]) -> Vec<[u8; 3]> {
        let (image, _) = decode(file, &DecodeLimits::default()).unwrap();
        image.as_chunks().0.to_vec()
    }

    fn error(file: &[u8]) -> String {
        let error = decode(file, &DecodeLimits::default()).unwrap_err();
        error.to_string()
    }

    #[test]
    fn the_last_row_comes_first_unless_the_height_is_negative() {
        let rows = [0, 1, 9, 9, 2, 1, 9, 9];
        assert_eq!(pixels(&file([2, 2], 0, &rows)), [B, G, R, G]);
        assert_eq!(pixels(&file([2, -2], 0, &rows)), [R, G, B, G]);
    }

    #[test]
    fn only_the_bytes_that_fill_up_the_last_row_may_be_missing() {
        let rows = [0, 1, 9, 9, 2, 1];
        assert_eq!(pixels(&file([2, 2], 0, &rows)), [B, G, R, G]);
        let message = error(&file([2, 2], 0, &rows[..5]));
        assert!(message.contains("before its last row"), "{message}");
    }

    #[test]
    fn runs_end_with_their_row_and_skipped_pixels_have_index_0() {
        // Two pixels of a run of five, then a skip of a row, then two pixels without a run.
        let runs = [5, 1, 0, 0, 0, 2, 0, 1, 0, 4, 1, 2, 0, 0];
        assert_eq!(pixels(&file([2, 3], 1, &runs)), [G, B, R, R, G, G]);
    }

    #[test]
    fn rows_without_pixels_count_where_pillow_misses_pixels() {
        let runs = [0, 0, 2, 1, 0, 0, 1, 2, 0, 1];
        assert_eq!(pixels(&file([2, 3], 1, &runs)), [B, R, G, G, R, R]);
        // Pillow has all pixels without the empty row.
        let runs = [0, 0, 2, 1, 0, 0, 2, 2, 2, 1, 0, 0, 2, 0];
        assert_eq!(pixels(&file([2, 3], 1, &runs)), [R, R, B, B, G, G]);
    }

    #[test]
    fn of_an_image_that_ends_early_no_run_is_longer_than_its_row() {
        assert_eq!(pixels(&file([2, 2], 1, &[2, 1, 0, 1])), [R, R, G, G]);
        for runs in [&[3, 1, 0, 1][..], &[0, 3, 1, 1, 1, 0, 0, 1]] {
            let message = error(&file([2, 2], 1, runs));
            assert!(message.contains("longer than its row"), "{message}");
        }
    }

    #[test]
    fn runs_without_an_end_are_refused() {
        for runs in [&[2, 1][..], &[2], &[0, 2, 1], &[0, 3, 1, 1], &[]] {
            let message = error(&file([2, 2], 1, runs));
            assert!(message.contains("before its last pixel"), "{message}");
        }
    }

    #[test]
    fn claims_are_refused_by_the_header() {
        let most = [u32::MAX as i32, i32::MAX];
        let error = header(&file(most, 0, &[]), &DecodeLimits::default()).unwrap_err();
        assert!(matches!(error, PreprocessError::TooLarge { .. }), "{error}");
        let stored = header(&file([9, 9], 0, &[]), &DecodeLimits::default()).unwrap();
        assert_eq!((stored.size, stored.scratch_bytes), ((9, 9), 0));
    }
}
