use image::RgbImage;
use image::metadata::Orientation;

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::stored::StoredImage;
use super::through_image;
use crate::PreprocessError;

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    through_image::header(bytes, ImageCodec::Bmp, limits)
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    through_image::decode(bytes, ImageCodec::Bmp, limits)
}
