//! Image files: one file a format, all with the same two functions, `header` and `decode`.

#[cfg_attr(not(feature = "avif"), path = "avif_absent.rs")]
mod avif;
mod bmp;
mod byte_order;
mod cmyk;
mod contain;
mod directory;
pub(crate) mod foreign;
pub(crate) mod gif;
mod header;
mod image_codec;
#[cfg_attr(not(feature = "libjpeg"), path = "jpeg_rust.rs")]
mod jpeg;
mod memory;
mod options;
mod orientation;
mod png;
mod stored;
mod through_image;
mod tiff;
pub(crate) mod webp;

use std::borrow::Cow;
use std::path::Path;

use glm4v_config::Resample;
use image::{DynamicImage, RgbImage};

use crate::PreprocessError;
use crate::file::read_up_to;
use crate::resize::resize;
pub(crate) use contain::contain;
pub(crate) use header::ImageHeader;
pub use image_codec::ImageCodec;
pub(crate) use memory::{DecodeMemory, rgb_bytes};
pub use options::{DecodeLimits, DecodeOptions};

/// Reads an image as RGB with 8 bits, as transformers' `load_image` does.
///
/// The first bytes decide the format ([`ImageCodec`]), whatever the file's name. A GIF is its first frame, a TIFF its
/// first page. The image is rotated as its metadata requires. Samples of 16 bits keep their high byte. Transparency is
/// dropped, with one exception: a single transparent colour of a PNG or GIF becomes white, as in transformers.
///
/// # Errors
/// [`PreprocessError::Io`] for a file that cannot be read. [`PreprocessError::File`], with the reasons of
/// [`decode_image`], for a file that is refused.
pub fn open_image(
    path: impl AsRef<Path>,
    options: &DecodeOptions,
) -> Result<DynamicImage, PreprocessError> {
    let path = path.as_ref();
    let bytes = read_image_file(path, options)?;
    decode_image(&bytes, options).map_err(|error| error.in_file(path))
}

/// [`open_image`] for a file that is already in memory.
///
/// # Errors
/// [`PreprocessError::UnknownFormat`] for bytes that are not an image. [`PreprocessError::ForeignFormat`] for
/// an image of a format that is recognised, but not read. [`PreprocessError::TooLarge`] beyond a limit of `options`.
/// [`PreprocessError::Decode`] for an image that is damaged, cut off or of a kind that is not read.
pub fn decode_image(
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<DynamicImage, PreprocessError> {
    let codec = detect(bytes, options)?;
    let decoded = contain(codec.name(), || match codec {
        ImageCodec::Avif => avif::decode(bytes, &options.limits),
        ImageCodec::Bmp => bmp::decode(bytes, &options.limits),
        ImageCodec::Gif => gif::decode(bytes, &options.limits),
        ImageCodec::Jpeg => jpeg::decode(bytes, &options.limits),
        ImageCodec::Png => png::decode(bytes, &options.limits),
        ImageCodec::Tiff => tiff::decode(bytes, &options.limits),
        ImageCodec::WebP => webp::decode(bytes, &options.limits),
    });
    let (rgb, orientation) = decoded?;
    let mut image = DynamicImage::ImageRgb8(rgb);
    if options.apply_exif {
        image.apply_orientation(orientation);
    }
    Ok(image)
}

/// [`decode_image`], resized to (height, width).
pub(crate) fn decode_resized(
    bytes: &[u8],
    codec: ImageCodec,
    options: &DecodeOptions,
    size: (u32, u32),
    filter: Resample,
) -> Result<RgbImage, PreprocessError> {
    if codec == ImageCodec::Jpeg {
        let resized = contain(codec.name(), || {
            jpeg::decode_resized(bytes, options, size, filter)
        })?;
        if let Some(resized) = resized {
            return Ok(resized);
        }
    }
    let rgb = decode_image(bytes, options)?.into_rgb8();
    Ok(resize(Cow::Owned(rgb), size, filter).into_owned())
}

/// The header, without a pixel.
pub(crate) fn read_header(
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<ImageHeader, PreprocessError> {
    let codec = detect(bytes, options)?;
    let stored = contain(codec.name(), || match codec {
        ImageCodec::Avif => avif::header(bytes, &options.limits),
        ImageCodec::Bmp => bmp::header(bytes, &options.limits),
        ImageCodec::Gif => gif::header(bytes, &options.limits),
        ImageCodec::Jpeg => jpeg::header(bytes, options),
        ImageCodec::Png => png::header(bytes, &options.limits),
        ImageCodec::Tiff => tiff::header(bytes, &options.limits),
        ImageCodec::WebP => webp::header(bytes, &options.limits),
    });
    Ok(ImageHeader::new(codec, stored?, options.apply_exif))
}

/// The file, or one byte more than allowed of a longer file.
pub(crate) fn read_image_file(
    path: &Path,
    options: &DecodeOptions,
) -> Result<Vec<u8>, PreprocessError> {
    read_up_to(path, options.limits.max_file_bytes.saturating_add(1))
}

fn detect(bytes: &[u8], options: &DecodeOptions) -> Result<ImageCodec, PreprocessError> {
    options.limits.check_file(bytes.len())?;
    let refusal = || match foreign::name(bytes) {
        Some(format) => PreprocessError::ForeignFormat { format },
        None => PreprocessError::unknown_format(ImageCodec::names(), bytes),
    };
    ImageCodec::detect(bytes).ok_or_else(refusal)
}
