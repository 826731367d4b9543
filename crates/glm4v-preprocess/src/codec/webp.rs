use image::RgbImage;
use image::metadata::Orientation;

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::stored::StoredImage;
use super::through_image;
use crate::PreprocessError;

/// The name of a lossy image's first chunk, and where it is in the file.
const LOSSY: (std::ops::Range<usize>, &[u8]) = (12..16, b"VP8 ");

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    check_length(bytes)?;
    let stored = through_image::header(bytes, ImageCodec::WebP, limits)?;
    let lossy = bytes.get(LOSSY.0) == Some(LOSSY.1);
    Ok(StoredImage {
        // Planes of brightness and of colour at half the size, or RGBA.
        scratch_bytes: match lossy {
            true => 3 * stored.area() / 2,
            false => 4 * stored.area(),
        },
        ..stored
    })
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    check_length(bytes)?;
    through_image::decode(bytes, ImageCodec::WebP, limits)
}

/// Refuses a file that is cut off after its pixels: the metadata behind them, such as the orientation, would be missing.
fn check_length(bytes: &[u8]) -> Result<(), PreprocessError> {
    let length = bytes.get(4..8).and_then(|field| field.first_chunk());
    let claimed = length.map_or(0, |&length| u64::from(u32::from_le_bytes(length)) + 8);
    if claimed <= bytes.len() as u64 {
        return Ok(());
    }
    let found = format!("the file has {} of {claimed} bytes", bytes.len());
    Err(PreprocessError::decode(ImageCodec::WebP.name(), found))
}
