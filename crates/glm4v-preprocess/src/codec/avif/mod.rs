//! AVIF: still images, grids of them, and the first frames of sequences. Alpha is dropped, as in Pillow's conversion to
//! RGB.

mod alpha;
mod boxes;
mod coding;
mod contents;
mod float;
mod frame;
mod grid;
mod integer;
mod items;
mod sequence;
mod tracks;
mod upsample;
mod yuv;

use std::error::Error;

use image::RgbImage;
use image::metadata::Orientation;

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::stored::StoredImage;
use crate::PreprocessError;
use contents::Contents;
use frame::Frame;
use grid::grid;
use items::Items;
use yuv::rgb;

/// Bytes of a pixel while a frame is decoded: the frame of the decoder, its notes, and a copy of the planes.
const SCRATCH: u64 = 24;

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    let stored = header_of(&Contents::read(bytes)?, limits)?;
    // Copies of the data of an image and of metadata.
    let copies = 2 * bytes.len() as u64;
    Ok(StoredImage {
        scratch_bytes: stored.scratch_bytes.saturating_add(copies),
        ..stored
    })
}

fn header_of(contents: &Contents, limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    let stored = StoredImage::rgb(contents.size()?);
    limits.check_size(stored.size, stored.decoded_bytes)?;
    let mut largest = stored.area();
    for size in contents.sizes() {
        limits.check_size(size, 0)?;
        largest = largest.max(StoredImage::rgb(size).area());
    }
    Ok(StoredImage {
        scratch_bytes: SCRATCH * largest,
        orientation: contents.orientation(),
        ..stored
    })
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let contents = Contents::read(bytes)?;
    // The sizes of all frames are checked here.
    let stored = header_of(&contents, limits)?;
    let frame = contents.frame()?;
    let alpha = contents.alpha(&frame)?;
    let coding = contents.coding().unwrap_or(frame.coding);
    Ok((rgb(&frame, coding, &alpha)?, stored.orientation))
}

/// The frame of an item that is an image or a grid of images.
fn whole_frame(items: &Items, item: u64) -> Result<Frame, PreprocessError> {
    if let Some(kind) = items.unknown_property(item) {
        let kind = kind.escape_ascii();
        return Err(unsupported(&format!("images with the property {kind}")));
    }
    match items.kind(item) {
        Some(kind) if kind == *b"av01" => item_frame(items, item),
        Some(kind) if kind == *b"grid" => grid(items, item, items.size(item)?),
        Some(kind) => {
            let kind = kind.escape_ascii();
            Err(unsupported(&format!("images of the kind {kind}")))
        }
        None => Err(failed("no main image")),
    }
}

/// The frame of an item that is one frame.
fn item_frame(items: &Items, item: u64) -> Result<Frame, PreprocessError> {
    let data = items.data(item);
    let data = data.ok_or_else(|| failed("the data of an image are cut off"))?;
    Frame::decode(data, items.size(item)?)
}

fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> PreprocessError {
    PreprocessError::decode(ImageCodec::Avif.name(), error)
}

/// A valid file of a kind that is not read.
fn unsupported(kind: &str) -> PreprocessError {
    failed(format!(
        "{kind} are not supported; convert the file to PNG, for example with: magick FILE.avif FILE.png"
    ))
}
