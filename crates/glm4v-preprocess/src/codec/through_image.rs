//! The formats that the `image` crate decodes.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use crate::PreprocessError;
use crate::rgb::{Alpha, into_rgb};

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

fn failed(codec: ImageCodec, error: ImageError) -> PreprocessError {
    PreprocessError::decode(codec.name(), error)
}
