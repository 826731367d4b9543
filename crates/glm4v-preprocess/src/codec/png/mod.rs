mod chunks;
mod color_key;
mod metadata;
mod missing_rows;

use std::borrow::Cow;
use std::io::Cursor;

use image::metadata::Orientation;
use image::{Rgb, RgbImage};
use png::{BitDepth, ColorType, Limits, Transformations};

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::stored::StoredImage;
use crate::PreprocessError;
use crate::rgb::whiten;
use chunks::{before_pixels, readable};
use color_key::color_key;
use metadata::metadata_orientation;
use missing_rows::misses_rows;

type Reader<'a> = png::Reader<Cursor<Cow<'a, [u8]>>>;

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    let reader = start(bytes, limits)?;
    Ok(StoredImage {
        decoded_bytes: output_bytes(&reader),
        orientation: metadata_orientation(bytes).map_err(failed)?,
        ..StoredImage::rgb(reader.info().size())
    })
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let mut reader = start(bytes, limits)?;
    let mut pixels = blank(&reader);
    if let Err(error) = reader.next_frame(&mut pixels)
        && !misses_rows(bytes)
    {
        return Err(failed(error));
    }
    let mut rgb = rgb(&reader, pixels);
    if let Some(key) = color_key(bytes) {
        whiten(&mut rgb, Rgb(key));
    }
    Ok((rgb, metadata_orientation(bytes).map_err(failed)?))
}

/// A decoder that has read everything before the pixels, within the limits. As in Pillow, the checksums there must be
/// right, and those of the pixels do not matter.
fn start<'a>(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Reader<'a>, PreprocessError> {
    if let Some(chunk) = before_pixels(bytes).find(|chunk| !chunk.is_intact()) {
        let kind = chunk.kind.escape_ascii();
        return Err(failed(format!("the checksum of the chunk {kind} is wrong")));
    }
    let allocations = Limits {
        bytes: usize::try_from(limits.max_decoded_bytes).unwrap_or(usize::MAX),
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(readable(bytes)), allocations);
    decoder.ignore_checksums(true);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let size = decoder.read_header_info().map_err(failed)?.size();
    limits.check_size(size, 0)?;
    let reader = decoder.read_info().map_err(failed)?;
    limits.check_size(size, output_bytes(&reader))?;
    Ok(reader)
}

fn output_bytes(reader: &Reader) -> u64 {
    let bytes = reader.output_buffer_size();
    bytes.map_or(u64::MAX, |bytes| bytes as u64)
}

/// The pixels of an image whose samples are all 0.
fn blank(reader: &Reader) -> Vec<u8> {
    let mut pixels = vec![0; output_bytes(reader) as usize];
    let info = reader.info();
    let first = info.palette.as_deref().and_then(<[u8]>::first_chunk::<3>);
    if info.color_type == ColorType::Indexed
        && let Some(first) = first
    {
        let (color_type, _) = reader.output_color_type();
        for pixel in pixels.chunks_exact_mut(color_type.samples()) {
            pixel[..3].copy_from_slice(first);
        }
    }
    pixels
}

/// Pixels as RGB. Of samples of 16 bits, the high byte counts.
fn rgb(reader: &Reader, pixels: Vec<u8>) -> RgbImage {
    let (color_type, depth) = reader.output_color_type();
    let sample = match depth {
        BitDepth::Sixteen => 2,
        BitDepth::One | BitDepth::Two | BitDepth::Four | BitDepth::Eight => 1,
    };
    let samples = color_type.samples();
    let rgb = if (samples, sample) == (3, 1) {
        pixels
    } else {
        let color = |pixel: &[u8]| match samples {
            1 | 2 => [pixel[0]; 3],
            _ => [0, 1, 2].map(|index| pixel[index * sample]),
        };
        let pixels = pixels.chunks_exact(samples * sample);
        pixels.flat_map(color).collect()
    };
    let (width, height) = reader.info().size();
    RgbImage::from_raw(width, height, rgb).expect("every pixel was converted")
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PreprocessError {
    PreprocessError::decode(ImageCodec::Png.name(), error)
}
