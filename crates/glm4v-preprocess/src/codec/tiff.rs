use image::metadata::Orientation;
use image::{ImageDecoder, RgbImage};

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::stored::StoredImage;
use super::through_image::{self, metadata_orientation};
use crate::PreprocessError;

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    let mut decoder = through_image::decoder(bytes, ImageCodec::Tiff, limits)?;
    Ok(StoredImage {
        decoded_bytes: decoder.total_bytes(),
        // The decoder copies the pixels once.
        scratch_bytes: decoder.total_bytes(),
        orientation: tagged_orientation(&mut decoder),
        ..StoredImage::rgb(decoder.dimensions())
    })
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let mut decoder = through_image::decoder(bytes, ImageCodec::Tiff, limits)?;
    let orientation = tagged_orientation(&mut decoder);
    let rgb = through_image::rgb(decoder, ImageCodec::Tiff)?;
    Ok((rgb, orientation))
}

/// The tag of the file itself goes before its EXIF and XMP metadata.
fn tagged_orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    match decoder.orientation() {
        Ok(tagged) if tagged != Orientation::NoTransforms => tagged,
        Ok(_) | Err(_) => metadata_orientation(decoder),
    }
}
