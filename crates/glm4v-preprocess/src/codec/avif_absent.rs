//! AVIF without a decoder: the feature `avif` is off.

use image::RgbImage;
use image::metadata::Orientation;

use super::foreign::AVIF;
use super::options::DecodeLimits;
use super::stored::StoredImage;
use crate::PreprocessError;

pub(super) fn header(
    _bytes: &[u8],
    _limits: &DecodeLimits,
) -> Result<StoredImage, PreprocessError> {
    Err(PreprocessError::ForeignFormat { format: AVIF })
}

pub(super) fn decode(
    _bytes: &[u8],
    _limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    Err(PreprocessError::ForeignFormat { format: AVIF })
}
