use std::collections::BTreeSet;

use re_rav1d::dav1d::PixelLayout;

use super::boxes::Reader;
use super::frame::Frame;
use super::items::Items;
use super::{failed, item_frame, unsupported};
use crate::PreprocessError;

/// The data of all images, in file lengths, at most.
const MAX_READS: u64 = 4;

/// The frame of an item that is a grid of images of one size.
pub(super) fn grid(items: &Items, item: u64, size: (u32, u32)) -> Result<Frame, PreprocessError> {
    let parts = items.referred(item, b"dimg");
    let layout = items.data(item).and_then(|data| grid_layout(&data));
    let (rows, columns) = layout.ok_or_else(|| failed("a damaged grid"))?;
    if parts.len() != rows * columns {
        return Err(failed("a grid with another number of images"));
    }
    if parts.iter().collect::<BTreeSet<_>>().len() != parts.len() {
        return Err(failed("a grid that names an image twice"));
    }
    let claimed = parts.iter().map(|&part| items.claimed_bytes(part));
    if claimed.fold(0, u64::saturating_add) > MAX_READS * items.file_bytes() {
        return Err(failed("the images of a grid share their data"));
    }
    let mut whole: Option<(Frame, (usize, usize))> = None;
    for (index, &part) in parts.iter().enumerate() {
        let frame = item_frame(items, part)?;
        let (whole, part_size) = whole.get_or_insert_with(|| {
            let blank = frame.blank((size.0 as usize, size.1 as usize));
            (blank, frame.size)
        });
        let same = frame.size == *part_size && frame.bits == whole.bits;
        // Colours that two pixels share must not cross the border of two images.
        let (even_width, even_height) = match frame.layout {
            PixelLayout::I400 | PixelLayout::I444 => (false, false),
            PixelLayout::I422 => (true, false),
            PixelLayout::I420 => (true, true),
        };
        let fits = (part_size.0.is_multiple_of(2) || !even_width)
            && (part_size.1.is_multiple_of(2) || !even_height);
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
