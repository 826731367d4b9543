mod container;
mod frame;

use image::metadata::Orientation;
use image::{GenericImage, ImageDecoder, RgbImage};

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::orientation::orientation;
use super::stored::StoredImage;
use super::through_image;
use crate::PreprocessError;
use crate::rgb::{Alpha, into_rgb};
pub(crate) use container::{animation, number};
use container::{has_pixels_of, metadata};
pub(crate) use frame::WebpFrame;

/// The name of a lossy image's first chunk, and where it is in the file.
const LOSSY: (std::ops::Range<usize>, &[u8]) = (12..16, b"VP8 ");

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    check_length(bytes)?;
    let decoder = through_image::decoder(bytes, ImageCodec::WebP, limits)?;
    let stored = StoredImage::rgb(decoder.dimensions());
    check_pixels(bytes, stored.size)?;
    let lossy = bytes.get(LOSSY.0) == Some(LOSSY.1);
    Ok(StoredImage {
        decoded_bytes: decoder.total_bytes(),
        orientation: metadata_orientation(bytes),
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
    match animation(bytes) {
        Some((_, mut frames)) => first_frame(bytes, frames.next(), limits),
        None => {
            let decoder = through_image::decoder(bytes, ImageCodec::WebP, limits)?;
            check_pixels(bytes, decoder.dimensions())?;
            let rgb = through_image::rgb(decoder, ImageCodec::WebP)?;
            Ok((rgb, metadata_orientation(bytes)))
        }
    }
}

/// The first frame of an animation, on a black canvas as in Pillow.
fn first_frame(
    bytes: &[u8],
    frame: Option<&[u8]>,
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let size = through_image::decoder(bytes, ImageCodec::WebP, limits)?.dimensions();
    let orientation = metadata_orientation(bytes);
    let frame = WebpFrame::read(frame.unwrap_or_default(), size)?;
    let rgb = into_rgb(frame.decode()?, Alpha::Dropped)?;
    if (frame.width, frame.height) == size {
        return Ok((rgb, orientation));
    }
    let mut canvas = RgbImage::new(size.0, size.1);
    canvas
        .copy_from(&rgb, frame.left, frame.top)
        .expect("the frame lies on the canvas");
    Ok((canvas, orientation))
}

/// The decoder is not asked for metadata: it allocates what a chunk claims.
fn metadata_orientation(bytes: &[u8]) -> Orientation {
    let (exif, xmp) = metadata(bytes);
    orientation(exif, xmp)
}

/// Refuses a file that is cut off after its pixels: the metadata behind them, such as the orientation, would be
/// missing.
fn check_length(bytes: &[u8]) -> Result<(), PreprocessError> {
    let length = bytes.get(4..8).and_then(|field| field.first_chunk());
    let claimed = length.map_or(0, |&length| u64::from(u32::from_le_bytes(length)) + 8);
    if claimed <= bytes.len() as u64 {
        return Ok(());
    }
    let found = format!("the file has {} of {claimed} bytes", bytes.len());
    Err(PreprocessError::decode(ImageCodec::WebP.name(), found))
}

/// Refuses pixels of another size than (width, height) before they are decoded.
fn check_pixels(webp: &[u8], size: (u32, u32)) -> Result<(), PreprocessError> {
    match has_pixels_of(webp, size) {
        true => Ok(()),
        false => Err(PreprocessError::decode(
            ImageCodec::WebP.name(),
            "the pixels do not have the size in the header",
        )),
    }
}
