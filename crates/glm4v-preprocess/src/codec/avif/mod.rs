//! AVIF: still images, and grids of them. Alpha is ignored, as in Pillow's conversion to RGB.

mod boxes;
mod coding;
mod frame;
mod items;
mod yuv;

use std::error::Error;

use image::RgbImage;
use image::metadata::Orientation;
use re_rav1d::dav1d::PixelLayout;

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::orientation::orientation_beside_transforms;
use super::stored::StoredImage;
use crate::PreprocessError;
use boxes::Reader;
use coding::Coding;
use frame::Frame;
use items::Items;
use yuv::rgb;

/// Bytes of a pixel while a frame is decoded: the frame of the decoder, its notes, and a copy of the planes.
const SCRATCH: u64 = 24;

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    let items = items(bytes)?;
    let stored = StoredImage::rgb(size(&items, items.primary)?);
    limits.check_size(stored.size, stored.decoded_bytes)?;
    Ok(StoredImage {
        scratch_bytes: SCRATCH * stored.area(),
        orientation: orientation(&items),
        ..stored
    })
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let stored = header(bytes, limits)?;
    let items = items(bytes)?;
    let frame = match items.kind(items.primary) {
        Some(kind) if kind == *b"av01" => frame_of(&items, items.primary, limits)?,
        Some(kind) if kind == *b"grid" => grid(&items, stored.size, limits)?,
        Some(kind) => {
            return Err(unsupported(&format!(
                "images of the kind {}",
                kind.escape_ascii()
            )));
        }
        None => return Err(failed("no main image")),
    };
    if !items.referred(items.primary, b"prem").is_empty() {
        return Err(unsupported("premultiplied alpha"));
    }
    let has_alpha = items.has_alpha(items.primary);
    let pixels = rgb(&frame, coding(&items, &frame), has_alpha)?;
    Ok((pixels, stored.orientation))
}

fn items(bytes: &[u8]) -> Result<Items<'_>, PreprocessError> {
    Items::read(bytes).ok_or_else(|| failed("the list of its images is damaged or cut off"))
}

/// (width, height) of an image.
fn size(items: &Items, item: u64) -> Result<(u32, u32), PreprocessError> {
    let size = || {
        let mut reader = Reader(items.property(item, b"ispe")?);
        reader.version()?;
        Some((reader.number(4)? as u32, reader.number(4)? as u32))
    };
    size().ok_or_else(|| failed("an image without a size"))
}

/// The frame of an image that is one frame.
fn frame_of(items: &Items, item: u64, limits: &DecodeLimits) -> Result<Frame, PreprocessError> {
    let data = items.data(item);
    let data = data.ok_or_else(|| failed("the data of an image are cut off"))?;
    let size = size(items, item)?;
    limits.check_size(size, 0)?;
    // A frame that is larger than its header says would take more memory than planned.
    let frame = Frame::decode(data, u64::from(size.0) * u64::from(size.1))?;
    if frame.size != (size.0 as usize, size.1 as usize) {
        return Err(failed("a frame does not have the size in its header"));
    }
    Ok(frame)
}

/// The frame of an image that is a grid of images of one size.
fn grid(items: &Items, size: (u32, u32), limits: &DecodeLimits) -> Result<Frame, PreprocessError> {
    let parts = items.referred(items.primary, b"dimg");
    let layout = items
        .data(items.primary)
        .and_then(|data| grid_layout(&data));
    let (rows, columns) = layout.ok_or_else(|| failed("a damaged grid"))?;
    if parts.len() != rows * columns {
        return Err(failed("a grid with another number of images"));
    }
    let mut whole: Option<(Frame, (usize, usize))> = None;
    for (index, &part) in parts.iter().enumerate() {
        let frame = frame_of(items, part, limits)?;
        let (whole, part_size) = whole.get_or_insert_with(|| {
            let blank = frame.blank((size.0 as usize, size.1 as usize));
            (blank, frame.size)
        });
        let same = frame.size == *part_size && frame.bits == whole.bits;
        // Colours that two pixels share must not cross the border of two images.
        let is_even = part_size.0.is_multiple_of(2) && part_size.1.is_multiple_of(2);
        let fits = is_even || frame.layout == PixelLayout::I444;
        if !same || !fits || frame.layout != whole.layout {
            return Err(unsupported(
                "grids of different images, or of images with odd sides",
            ));
        }
        let ends =
            |count: usize, part: usize, whole: usize| (count * part).wrapping_sub(whole) < part;
        if !ends(columns, part_size.0, whole.size.0) || !ends(rows, part_size.1, whole.size.1) {
            return Err(failed("the images of a grid do not fit its size"));
        }
        let corner = (index % columns * part_size.0, index / columns * part_size.1);
        whole.draw(&frame, corner);
    }
    let (whole, _) = whole.ok_or_else(|| failed("an empty grid"))?;
    Ok(whole)
}

/// Rows and columns.
fn grid_layout(data: &[u8]) -> Option<(usize, usize)> {
    let mut reader = Reader(data);
    let _version_and_flags = reader.number(2)?;
    let mut count = || Some(reader.number(1)? as usize + 1);
    Some((count()?, count()?))
}

/// The coding that the file names, or else the one in the frame.
fn coding(items: &Items, frame: &Frame) -> Coding {
    let named = || {
        let mut reader = Reader(items.property(items.primary, b"colr")?);
        if reader.take(4)? != b"nclx" {
            return None;
        }
        let _primaries_and_transfer = reader.number(4)?;
        Some(Coding {
            matrix: reader.number(2)?,
            full_range: reader.number(1)? >> 7 == 1,
        })
    };
    named().unwrap_or(frame.coding)
}

/// The properties `irot` and `imir` go before EXIF and XMP, as in Pillow.
fn orientation(items: &Items) -> Orientation {
    let first = |kind| {
        let property = items.property(items.primary, kind);
        property.and_then(|body| body.first().copied())
    };
    let (turns, mirror) = (first(b"irot").unwrap_or(0) & 3, first(b"imir"));
    // As EXIF numbers them.
    let transform = match (turns, mirror.map(|axis| axis & 1)) {
        (0, None) => 1,
        (1, None) => 8,
        (2, None) => 3,
        (_, None) => 6,
        (0, Some(1)) | (2, Some(0)) => 2,
        (0 | 2, Some(_)) => 4,
        (1, Some(0)) | (3, Some(1)) => 5,
        (_, Some(_)) => 7,
    };
    if transform != 1 {
        return Orientation::from_exif(transform).expect("1 to 8 are orientations");
    }
    let exif = items.description(items.primary, b"Exif");
    // An offset is before the EXIF.
    let exif = exif.as_deref().and_then(|exif| exif.get(4..));
    let xmp = items.description(items.primary, b"mime");
    orientation_beside_transforms(exif, xmp.as_deref())
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
