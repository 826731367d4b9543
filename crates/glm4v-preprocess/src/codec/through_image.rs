//! The formats that the `image` crate decodes.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::orientation::orientation;
use super::stored::StoredImage;
use crate::PreprocessError;
use crate::rgb::{Alpha, into_rgb};

/// The header, as the `image` crate reads it.
pub(super) fn header(
    bytes: &[u8],
    codec: ImageCodec,
    limits: &DecodeLimits,
) -> Result<StoredImage, PreprocessError> {
    let mut decoder = decoder(bytes, codec, limits)?;
    Ok(StoredImage {
        decoded_bytes: decoder.total_bytes(),
        orientation: metadata_orientation(&mut decoder),
        ..StoredImage::rgb(decoder.dimensions())
    })
}

/// Decodes an image. The caller applies the orientation.
pub(super) fn decode(
    bytes: &[u8],
    codec: ImageCodec,
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let mut decoder = decoder(bytes, codec, limits)?;
    let orientation = metadata_orientation(&mut decoder);
    Ok((rgb(decoder, codec)?, orientation))
}

/// A decoder that has read the header, within the limits.
pub(super) fn decoder<'a>(
    bytes: &'a [u8],
    codec: ImageCodec,
    limits: &DecodeLimits,
) -> Result<impl ImageDecoder + use<'a>, PreprocessError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), codec.format());
    let mut allocations = Limits::no_limits();
    allocations.max_alloc = Some(limits.max_decoded_bytes);
    reader.limits(allocations);
    let decoder = reader
        .into_decoder()
        .map_err(|error| failed(codec, error))?;
    limits.check_size(decoder.dimensions(), decoder.total_bytes())?;
    Ok(decoder)
}

pub(super) fn rgb(
    decoder: impl ImageDecoder,
    codec: ImageCodec,
) -> Result<RgbImage, PreprocessError> {
    let image = DynamicImage::from_decoder(decoder).map_err(|error| failed(codec, error))?;
    into_rgb(image, Alpha::Dropped)
}

/// Unreadable metadata does not matter: the pixels are complete without it.
pub(super) fn metadata_orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    orientation(exif.as_deref(), xmp.as_deref())
}

fn failed(codec: ImageCodec, error: ImageError) -> PreprocessError {
    PreprocessError::decode(codec.name(), error)
}
