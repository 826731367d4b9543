//! JPEG through libjpeg, whose pixels are those of Pillow.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use image::RgbImage;
use image::metadata::Orientation;
use mozjpeg::{ColorSpace, Decompress, Marker};

use crate::formats::check_size;
use crate::open::Stored;
use crate::orientation::{EXIF_PREFIX, orientation};
use crate::resize::{resize, resize_arriving};
use crate::{OpenOptions, PreprocessError};

const XMP_PREFIX: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// Decodes a JPEG, reporting libjpeg's errors by unwinding; the orientation is for the caller to apply.
pub(crate) fn decode(
    bytes: &[u8],
    options: &OpenOptions,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let header = header(bytes, options)?;
    let (width, height) = (header.width() as u32, header.height() as u32);
    let orientation = metadata_orientation(&header);
    let pixels = if has_inks(&header) {
        let mut started = header.to_colorspace(ColorSpace::JCS_CMYK).map_err(failed)?;
        let pixels: Vec<[u8; 4]> = started.read_scanlines().map_err(failed)?;
        pixels.into_iter().flat_map(inks_to_rgb).collect()
    } else {
        header
            .rgb()
            .and_then(|mut started| started.read_scanlines())
            .map_err(failed)?
    };
    let picture = RgbImage::from_raw(width, height, pixels);
    Ok((picture.expect("every line was read"), orientation))
}

/// A JPEG in another size, (height, width): its lines are resized while the next ones are decoded. `None` for one that
/// does not come in strips.
pub(crate) fn decode_resized(
    bytes: &[u8],
    options: &OpenOptions,
    (height, width): (u32, u32),
) -> Result<Option<RgbImage>, PreprocessError> {
    let header = header(bytes, options)?;
    if !comes_in_strips(&header, options) {
        return Ok(None);
    }
    let size = (header.width() as u32, header.height() as u32);
    let mut started = header.rgb().map_err(failed)?;
    let next = |lines: &mut [u8]| started.read_scanlines_into(lines).map(drop);
    let narrowed = resize_arriving(size, width, next).map_err(failed)?;
    // It may hold the coefficients of the whole picture.
    drop(started);
    Ok(Some(
        resize(Cow::Owned(narrowed), height, width).into_owned(),
    ))
}

/// What [`decode`] reads.
pub(crate) fn stored(bytes: &[u8], options: &OpenOptions) -> Result<Stored, PreprocessError> {
    let header = header(bytes, options)?;
    let (width, height) = (header.width() as u32, header.height() as u32);
    let channels = if has_inks(&header) { 4 } else { 3 };
    Ok(Stored {
        size: (width, height),
        decoded: channels * u64::from(width) * u64::from(height),
        orientation: metadata_orientation(&header),
        comes_in_strips: comes_in_strips(&header, options),
    })
}

fn header<'a>(
    bytes: &'a [u8],
    options: &OpenOptions,
) -> Result<Decompress<Whole<'a>>, PreprocessError> {
    let header = Decompress::builder()
        .with_markers(&[Marker::APP(1)])
        .from_reader(Whole(bytes))
        .map_err(failed)?;
    let (width, height) = (header.width() as u32, header.height() as u32);
    let channels = if has_inks(&header) { 4 } else { 3 };
    let area = u64::from(width) * u64::from(height);
    check_size(width, height, area * channels, options)?;
    Ok(header)
}

/// Unless it is to be turned, or its inks are yet to become colours.
fn comes_in_strips<R>(header: &Decompress<R>, options: &OpenOptions) -> bool {
    let turned =
        options.exif_orientation && metadata_orientation(header) != Orientation::NoTransforms;
    !turned && !has_inks(header)
}

fn failed(error: io::Error) -> PreprocessError {
    PreprocessError::decode("JPEG", error)
}

fn has_inks<R>(header: &Decompress<R>) -> bool {
    matches!(
        header.color_space(),
        ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK
    )
}

fn metadata_orientation<R>(header: &Decompress<R>) -> Orientation {
    let all = |prefix| {
        let found: Vec<&[u8]> = header
            .markers()
            .filter_map(|marker| marker.data.strip_prefix(prefix))
            .collect();
        found.concat()
    };
    orientation(Some(&all(EXIF_PREFIX)), Some(&all(XMP_PREFIX)))
}

/// Adobe's inverted inks, which Pillow assumes of every such JPEG: a level is what the ink lets through.
fn inks_to_rgb([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let through = u32::from(black);
    [cyan, magenta, yellow].map(|ink| {
        let absorbed = (u32::from(255 - ink) * through + 127) / 255;
        (through - absorbed) as u8
    })
}

/// A file that says so when it is read past its end; libjpeg would make up the rest of the picture.
struct Whole<'a>(&'a [u8]);

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl BufRead for Whole<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.0.is_empty() {
            return Err(io::Error::other("the end of the file inside the picture"));
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
    fn inverted_inks() {
        // No ink at all is white, full black is black, and black dims the rest.
        assert_eq!(inks_to_rgb([255, 255, 255, 255]), [255, 255, 255]);
        assert_eq!(inks_to_rgb([255, 255, 255, 0]), [0, 0, 0]);
        assert_eq!(inks_to_rgb([0, 255, 51, 255]), [0, 255, 51]);
        assert_eq!(inks_to_rgb([0, 255, 51, 100]), [0, 100, 20]);
    }
}
