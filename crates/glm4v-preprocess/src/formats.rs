use std::io::Cursor;

use image::metadata::Orientation;
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
};

use crate::open::Stored;
use crate::orientation::orientation;
use crate::png_key::color_key;
use crate::rgb::{Alpha, into_rgb, whiten};
use crate::{OpenOptions, PreprocessError};

/// The format of a picture that is read, by its first bytes, and its name.
pub(crate) fn of(bytes: &[u8]) -> Option<(ImageFormat, &'static str)> {
    let format = image::guess_format(bytes).ok()?;
    let name = match format {
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::WebP => "WebP",
        _ => return None,
    };
    Some((format, name))
}

/// Decodes the formats of [`of`] but GIF; the orientation is for the caller to apply.
pub(crate) fn decode(
    bytes: &[u8],
    (format, name): (ImageFormat, &'static str),
    options: &OpenOptions,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let mut decoder = decoder(bytes, (format, name), options)?;
    let orientation = orientation_of(&mut decoder, format);
    let failed = |error: ImageError| PreprocessError::decode(name, error);
    let picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let mut rgb = into_rgb(picture, Alpha::Dropped)?;
    if let (ImageFormat::Png, Some(key)) = (format, color_key(bytes)) {
        whiten(&mut rgb, Rgb(key));
    }
    Ok((rgb, orientation))
}

/// What [`decode`] reads.
pub(crate) fn stored(
    bytes: &[u8],
    (format, name): (ImageFormat, &'static str),
    options: &OpenOptions,
) -> Result<Stored, PreprocessError> {
    let mut decoder = decoder(bytes, (format, name), options)?;
    Ok(Stored {
        orientation: orientation_of(&mut decoder, format),
        size: decoder.dimensions(),
        decoded: decoder.total_bytes(),
        comes_in_strips: false,
    })
}

/// A decoder that has read the header and found it acceptable.
fn decoder<'a>(
    bytes: &'a [u8],
    (format, name): (ImageFormat, &'static str),
    options: &OpenOptions,
) -> Result<impl ImageDecoder + use<'a>, PreprocessError> {
    if format == ImageFormat::WebP {
        check_riff(bytes)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(options.max_bytes);
    reader.limits(limits);
    let failed = |error: ImageError| PreprocessError::decode(name, error);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes(), options)?;
    Ok(decoder)
}

/// Refuses by the header alone.
pub(crate) fn check_size(
    width: u32,
    height: u32,
    bytes: u64,
    options: &OpenOptions,
) -> Result<(), PreprocessError> {
    let found = format!("{width}×{height}");
    let too_large = |what, limit| PreprocessError::TooLarge {
        what,
        limit,
        found: found.clone(),
    };
    if width == 0 || height == 0 {
        return Err(PreprocessError::size("sides of at least 1 pixel", found));
    }
    if u64::from(width) * u64::from(height) > options.max_pixels {
        return Err(too_large("pixels", options.max_pixels));
    }
    if bytes > options.max_bytes {
        return Err(too_large("bytes decoded", options.max_bytes));
    }
    Ok(())
}

/// The pixels can be whole where what follows them, such as the orientation, is cut off.
fn check_riff(bytes: &[u8]) -> Result<(), PreprocessError> {
    let length = bytes.get(4..8).and_then(|field| field.first_chunk());
    let promised = length.map_or(0, |&length| u64::from(u32::from_le_bytes(length)) + 8);
    if promised <= bytes.len() as u64 {
        return Ok(());
    }
    let found = format!("{} of {promised} bytes", bytes.len());
    Err(PreprocessError::decode("WebP", found))
}

/// Metadata that cannot be read turns nothing: the pixels are there all the same.
fn orientation_of(decoder: &mut impl ImageDecoder, format: ImageFormat) -> Orientation {
    if format == ImageFormat::Tiff {
        let tagged = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        if tagged != Orientation::NoTransforms {
            return tagged;
        }
    }
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    orientation(exif.as_deref(), xmp.as_deref())
}
