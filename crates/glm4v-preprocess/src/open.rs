use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, RgbImage};

use crate::contain::contain;
use crate::held::{self, Decoding};
use crate::resize::resize;
use crate::{PreprocessError, formats, gif};

const PICTURE: &str = "a PNG, JPEG, WebP, GIF, BMP or TIFF picture";

/// What a picture file may need, and whether it is turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Whether the orientation in the file's metadata is applied.
    pub exif_orientation: bool,
    /// Most pixels; checked from the header, before anything of the picture's size is allocated.
    pub max_pixels: u64,
    /// Most bytes of the file, and of the decoded picture.
    pub max_bytes: u64,
}

impl Default for OpenOptions {
    /// Turned; 178,956,970 pixels, beyond which Pillow refuses a picture too; 2 GiB.
    fn default() -> Self {
        Self {
            exif_orientation: true,
            max_pixels: 178_956_970,
            max_bytes: 1 << 31,
        }
    }
}

/// Reads a picture as RGB of 8 bits, as transformers' `load_image` does: PNG, JPEG, WebP, GIF (its first frame), BMP or
/// TIFF (its first page), recognized by content whatever the name, turned as its metadata says. Of 16-bit samples the high byte is
/// kept. Transparency is dropped, but where it is one colour (a PNG's or a GIF's), that colour becomes white, as it does
/// on its way through transformers.
///
/// # Errors
/// [`PreprocessError::Io`] for a file that cannot be read; [`PreprocessError::File`], with the reasons of [`decode`],
/// for one that is refused.
pub fn open(
    path: impl AsRef<Path>,
    options: &OpenOptions,
) -> Result<DynamicImage, PreprocessError> {
    let path = path.as_ref();
    // One byte more than allowed, so that a longer file shows.
    let bytes = first_bytes(path, options.max_bytes.saturating_add(1))?;
    decode(&bytes, options).map_err(|error| error.in_file(path))
}

/// The file, or as much of it as is asked for.
pub(crate) fn first_bytes(path: &Path, most: u64) -> Result<Vec<u8>, PreprocessError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|source| PreprocessError::Io {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

/// [`open`] for a file that is already in memory.
///
/// # Errors
/// [`PreprocessError::UnknownFormat`] for bytes that are no picture, [`PreprocessError::TooLarge`] where a limit of
/// `options` is exceeded, [`PreprocessError::Decode`] for a picture that is damaged or cut off,
/// [`PreprocessError::PixelType`] for floating-point pixels.
pub fn decode(bytes: &[u8], options: &OpenOptions) -> Result<DynamicImage, PreprocessError> {
    let (format, name) = format(bytes, options)?;
    let (rgb, orientation) = contain(name, || match format {
        #[cfg(feature = "libjpeg")]
        ImageFormat::Jpeg => crate::jpeg::decode(bytes, options),
        ImageFormat::Gif => Ok((gif::decode(bytes, options)?, Orientation::NoTransforms)),
        _ => formats::decode(bytes, (format, name), options),
    })?;
    let mut picture = DynamicImage::ImageRgb8(rgb);
    if options.exif_orientation {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

/// [`decode`], then resized to (height, width); of a JPEG that is not turned, both at once.
pub(crate) fn decode_resized(
    bytes: &[u8],
    options: &OpenOptions,
    (height, width): (u32, u32),
) -> Result<RgbImage, PreprocessError> {
    #[cfg(feature = "libjpeg")]
    if let (ImageFormat::Jpeg, name) = format(bytes, options)? {
        let resized = || crate::jpeg::decode_resized(bytes, options, (height, width));
        if let Some(resized) = contain(name, resized)? {
            return Ok(resized);
        }
    }
    let rgb = decode(bytes, options)?.into_rgb8();
    Ok(resize(Cow::Owned(rgb), height, width).into_owned())
}

/// What a header says of a picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// (height, width) of what [`decode`] would give.
    pub(crate) size: (usize, usize),
    /// What is held meanwhile.
    pub(crate) decoding: Decoding,
}

/// Reads the header alone.
pub(crate) fn header(bytes: &[u8], options: &OpenOptions) -> Result<Header, PreprocessError> {
    let (format, name) = format(bytes, options)?;
    let Stored {
        size: (width, height),
        decoded,
        orientation,
        comes_in_strips,
    } = contain(name, || match format {
        #[cfg(feature = "libjpeg")]
        ImageFormat::Jpeg => crate::jpeg::stored(bytes, options),
        ImageFormat::Gif => gif::stored(bytes, options),
        _ => formats::stored(bytes, (format, name), options),
    })?;
    let orientation = match options.exif_orientation {
        true => orientation,
        false => Orientation::NoTransforms,
    };
    let size = (height as usize, width as usize);
    Ok(Header {
        decoding: match comes_in_strips {
            true => Decoding::in_strips(bytes, size),
            false => Decoding::whole(bytes, format, size, decoded, orientation),
        },
        size: match held::is_copied(orientation) {
            true => (size.1, size.0),
            false => size,
        },
    })
}

/// A picture as it is in a file.
pub(crate) struct Stored {
    /// Width and height.
    pub(crate) size: (u32, u32),
    /// Bytes as they come out of the decoder.
    pub(crate) decoded: u64,
    /// How it is to be turned.
    pub(crate) orientation: Orientation,
    /// Whether [`decode_resized`] resizes it while it is decoded.
    pub(crate) comes_in_strips: bool,
}

fn format(
    bytes: &[u8],
    options: &OpenOptions,
) -> Result<(ImageFormat, &'static str), PreprocessError> {
    if bytes.len() as u64 > options.max_bytes {
        return Err(PreprocessError::TooLarge {
            what: "bytes",
            limit: options.max_bytes,
            found: "a larger file".into(),
        });
    }
    formats::of(bytes).ok_or_else(|| unknown(PICTURE, bytes))
}

/// The refusal of what is not `expected`, with its first bytes.
pub(crate) fn unknown(expected: &'static str, bytes: &[u8]) -> PreprocessError {
    let first = &bytes[..bytes.len().min(8)];
    PreprocessError::UnknownFormat {
        expected,
        found: match first {
            [] => "an empty file".into(),
            _ => format!("a file that starts with \"{}\"", first.escape_ascii()),
        },
    }
}
