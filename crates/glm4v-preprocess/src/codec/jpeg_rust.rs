//! JPEG without libjpeg: the pixels differ from Pillow's by a few levels.

use glm4v_config::Resample;
use image::RgbImage;
use image::metadata::Orientation;

use super::image_codec::ImageCodec;
use super::options::{DecodeLimits, DecodeOptions};
use super::stored::StoredImage;
use super::through_image;
use crate::PreprocessError;

/// Bytes of a pixel's coefficients, which a progressive JPEG has all before its first line.
const COEFFICIENTS: u64 = 6;

pub(super) fn header(
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<StoredImage, PreprocessError> {
    let stored = through_image::header(bytes, ImageCodec::Jpeg, &options.limits)?;
    Ok(StoredImage {
        scratch_bytes: COEFFICIENTS * stored.area(),
        ..stored
    })
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    through_image::decode(bytes, ImageCodec::Jpeg, limits)
}

/// This decoder gives RGB only.
pub(super) fn decode_four_samples(
    _bytes: &[u8],
    _limits: &DecodeLimits,
) -> Result<Vec<u8>, PreprocessError> {
    let message = "four samples a pixel need a build with the feature `libjpeg`";
    Err(PreprocessError::decode(ImageCodec::Jpeg.name(), message))
}

/// This decoder gives RGB only.
pub(super) fn ycbcr_lines(
    _bytes: &[u8],
    _limits: &DecodeLimits,
    _count: u32,
    _draw: impl FnMut(&[u8]),
) -> Result<(), PreprocessError> {
    let message = "old JPEG in TIFF needs a build with the feature `libjpeg`";
    Err(PreprocessError::decode(ImageCodec::Jpeg.name(), message))
}

/// This decoder gives no strips.
pub(super) fn decode_resized(
    _bytes: &[u8],
    _options: &DecodeOptions,
    _size: (u32, u32),
    _filter: Resample,
) -> Result<Option<RgbImage>, PreprocessError> {
    Ok(None)
}
