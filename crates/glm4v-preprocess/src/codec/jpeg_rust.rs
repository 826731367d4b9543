//! JPEG without libjpeg: the pixels differ from Pillow's by a few levels.

use glm4v_config::Resample;
use image::metadata::Orientation;
use image::{ImageDecoder, RgbImage};

use super::image_codec::ImageCodec;
use super::options::{DecodeLimits, DecodeOptions};
use super::orientation::orientation;
use super::stored::StoredImage;
use super::through_image;
use crate::PreprocessError;

/// Bytes of a pixel's coefficients, which a progressive JPEG has all before its first line.
const COEFFICIENTS: u64 = 6;

pub(super) fn header(
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<StoredImage, PreprocessError> {
    let mut decoder = through_image::decoder(bytes, ImageCodec::Jpeg, &options.limits)?;
    let stored = StoredImage::rgb(decoder.dimensions());
    Ok(StoredImage {
        decoded_bytes: decoder.total_bytes(),
        orientation: metadata_orientation(&mut decoder),
        scratch_bytes: COEFFICIENTS * stored.area(),
        ..stored
    })
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let mut decoder = through_image::decoder(bytes, ImageCodec::Jpeg, limits)?;
    let orientation = metadata_orientation(&mut decoder);
    Ok((through_image::rgb(decoder, ImageCodec::Jpeg)?, orientation))
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

/// Unreadable metadata does not matter: the pixels are complete without it.
fn metadata_orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    orientation(exif.as_deref(), xmp.as_deref())
}
