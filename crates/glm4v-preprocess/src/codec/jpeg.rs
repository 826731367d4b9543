//! JPEG through libjpeg, whose pixels equal Pillow's. libjpeg reports its errors by unwinding.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use glm4v_config::Resample;
use image::RgbImage;
use image::metadata::Orientation;
use mozjpeg::{ColorSpace, Decompress, Marker};

use super::cmyk::cmyk_to_rgb;
use super::image_codec::ImageCodec;
use super::options::{DecodeLimits, DecodeOptions};
use super::orientation::{EXIF_PREFIX, orientation};
use super::stored::StoredImage;
use crate::PreprocessError;
use crate::resize::{resize, resize_in_strips};

const XMP_PREFIX: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Bytes of a pixel's coefficients, which a progressive JPEG has all before its first line.
const COEFFICIENTS: u64 = 6;

pub(super) fn header(
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<StoredImage, PreprocessError> {
    let decoder = start(bytes, &options.limits)?;
    let size = size(&decoder);
    let stored = StoredImage::rgb(size);
    Ok(StoredImage {
        decoded_bytes: channels(&decoder) * stored.area(),
        scratch_bytes: match is_progressive(bytes) {
            true => COEFFICIENTS * stored.area(),
            false => 0,
        },
        orientation: metadata_orientation(&decoder),
        in_strips: comes_in_strips(&decoder, options.apply_exif),
        ..stored
    })
}

/// Decodes an image. The caller applies the orientation.
pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let decoder = start(bytes, limits)?;
    let (width, height) = size(&decoder);
    let orientation = metadata_orientation(&decoder);
    let pixels = if is_cmyk(&decoder) {
        // Adobe inverts the inks, and Pillow reads every CMYK JPEG like that.
        let inks = |pixel: [u8; 4]| pixel.map(|light| u8::MAX - light);
        let pixels = four_samples(decoder)?.into_iter();
        pixels.flat_map(|pixel| cmyk_to_rgb(inks(pixel))).collect()
    } else {
        decoder
            .rgb()
            .and_then(|mut started| started.read_scanlines())
            .map_err(failed)?
    };
    let image = RgbImage::from_raw(width, height, pixels);
    Ok((image.expect("every line was read"), orientation))
}

/// The four samples of each pixel as they are stored.
pub(super) fn decode_four_samples(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<Vec<u8>, PreprocessError> {
    let decoder = start(bytes, limits)?;
    if !is_cmyk(&decoder) {
        return Err(failed(io::Error::other("it has not four samples a pixel")));
    }
    Ok(four_samples(decoder)?.into_flattened())
}

/// Calls `draw` with each of the first `count` lines: the brightness and both colour differences of each pixel. Pixels that
/// share a colour have the same one; nothing between two colours is computed.
pub(super) fn ycbcr_lines(
    bytes: &[u8],
    limits: &DecodeLimits,
    count: u32,
    mut draw: impl FnMut(&[u8]),
) -> Result<(), PreprocessError> {
    let mut decoder = start(bytes, limits)?;
    decoder.do_fancy_upsampling(false);
    let mut line = vec![0; 3 * decoder.width()];
    let mut started = decoder
        .to_colorspace(ColorSpace::JCS_YCbCr)
        .map_err(failed)?;
    for _ in 0..count {
        started.read_scanlines_into(&mut line).map_err(failed)?;
        draw(&line);
    }
    Ok(())
}

fn four_samples(decoder: Decompress<CheckedReader<'_>>) -> Result<Vec<[u8; 4]>, PreprocessError> {
    decoder
        .to_colorspace(ColorSpace::JCS_CMYK)
        .and_then(|mut started| started.read_scanlines())
        .map_err(failed)
}

/// Decodes an image to another size, (height, width): one strip is resized while the next one is decoded. `None` for an
/// image that must be decoded whole.
pub(super) fn decode_resized(
    bytes: &[u8],
    options: &DecodeOptions,
    (height, width): (u32, u32),
    filter: Resample,
) -> Result<Option<RgbImage>, PreprocessError> {
    let decoder = start(bytes, &options.limits)?;
    if !comes_in_strips(&decoder, options.apply_exif) {
        return Ok(None);
    }
    let size = size(&decoder);
    let mut started = decoder.rgb().map_err(failed)?;
    let next = |lines: &mut [u8]| started.read_scanlines_into(lines).map(drop);
    let narrowed = resize_in_strips(size, width, filter, next).map_err(failed)?;
    // It may keep the coefficients of the whole image.
    drop(started);
    let resized = resize(Cow::Owned(narrowed), (height, width), filter);
    Ok(Some(resized.into_owned()))
}

/// A decoder that has read the header, within the limits.
fn start<'a>(
    bytes: &'a [u8],
    limits: &DecodeLimits,
) -> Result<Decompress<CheckedReader<'a>>, PreprocessError> {
    let decoder = Decompress::builder()
        .with_markers(&[Marker::APP(1)])
        .from_reader(CheckedReader(bytes))
        .map_err(failed)?;
    let size = size(&decoder);
    limits.check_size(size, channels(&decoder) * StoredImage::rgb(size).area())?;
    Ok(decoder)
}

/// (width, height).
fn size<R>(decoder: &Decompress<R>) -> (u32, u32) {
    (decoder.width() as u32, decoder.height() as u32)
}

fn channels<R>(decoder: &Decompress<R>) -> u64 {
    if is_cmyk(decoder) { 4 } else { 3 }
}

/// An image that must be rotated or converted from CMYK is decoded whole.
fn comes_in_strips<R>(decoder: &Decompress<R>, apply_exif: bool) -> bool {
    let upright = !apply_exif || metadata_orientation(decoder) == Orientation::NoTransforms;
    upright && !is_cmyk(decoder)
}

fn failed(error: io::Error) -> PreprocessError {
    PreprocessError::decode(ImageCodec::Jpeg.name(), error)
}

fn is_cmyk<R>(decoder: &Decompress<R>) -> bool {
    matches!(
        decoder.color_space(),
        ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK
    )
}

fn metadata_orientation<R>(decoder: &Decompress<R>) -> Orientation {
    let all = |prefix: &'static [u8]| {
        let markers = decoder.markers();
        markers.filter_map(move |marker| marker.data.strip_prefix(prefix))
    };
    // EXIF can continue in further markers. Of XMP, the last marker counts, as in Pillow.
    let exif: Vec<&[u8]> = all(EXIF_PREFIX).collect();
    orientation(Some(&exif.concat()), all(XMP_PREFIX).last())
}

/// Whether the frame header is that of a progressive JPEG.
fn is_progressive(file: &[u8]) -> bool {
    let mut rest = file.get(2..).unwrap_or_default();
    while let [0xff, marker, after @ ..] = rest {
        match *marker {
            0xc2 | 0xc6 | 0xca | 0xce => return true,
            // Other frame headers, and the start of the pixels.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xda => return false,
            // A fill byte.
            0xff => rest = &rest[1..],
            _ => {
                let Some(&length) = after.first_chunk() else {
                    return false;
                };
                let length = usize::from(u16::from_be_bytes(length));
                rest = after.get(length..).unwrap_or_default();
            }
        }
    }
    false
}

/// A reader that fails at the end of the file, where libjpeg would invent the rest of the image.
struct CheckedReader<'a>(&'a [u8]);

impl Read for CheckedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl BufRead for CheckedReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.0.is_empty() {
            return Err(io::Error::other("the file ends inside the image"));
        }
        Ok(self.0)
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_header_shows_a_progressive_jpeg() {
        let jpeg = |frame: u8| {
            let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xc2, 1, 2, 0xff, 0xff];
            bytes.extend([frame, 0, 4, 1, 1, 0xff, 0xda]);
            bytes
        };
        assert!(is_progressive(&jpeg(0xc2)));
        assert!(!is_progressive(&jpeg(0xc0)));
        assert!(!is_progressive(&jpeg(0xe0)));
        for length in 0..19 {
            let _ = is_progressive(&jpeg(0xe0)[..length]);
        }
    }
}
