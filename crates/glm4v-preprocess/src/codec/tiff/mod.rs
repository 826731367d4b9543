//! The first image of a TIFF file: what scanners, cameras and layout programs write, with Pillow's pixels.

mod color;
mod compression;
mod fax;
mod jpeg_chunk;
mod jpeg_header;
mod layout;
mod old_jpeg;
mod old_jpeg_tags;
mod photometric;
mod predictor;
mod sample;
mod ycbcr;

use std::borrow::Cow;

use image::RgbImage;
use image::metadata::Orientation;

use super::directory::Directory;
use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::orientation::tagged_orientation;
use super::stored::StoredImage;
use crate::PreprocessError;
use compression::Compression;
use jpeg_chunk::JpegSize;
use layout::Layout;
use old_jpeg_tags::OldJpeg;

const XMP: u16 = 700;
/// Bytes a pixel of a row: two rows with two changes each, in lists that double as they grow.
const FAX_CHANGES: u64 = 32;

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    let directory = directory(bytes)?;
    let layout = Layout::read(&directory, limits)?;
    // A strip or tile, its file data with the bits reversed, and a second copy while it is decoded.
    let chunks = layout.chunk_bytes().saturating_mul(3);
    Ok(StoredImage {
        scratch_bytes: match &layout.compression {
            Compression::OldJpeg(_) => OldJpeg::stream_bytes(bytes),
            // The places where the colour of a row and of the row above it changes.
            Compression::Fax(_) => chunks + FAX_CHANGES * u64::from(layout.chunks.size.0),
            Compression::None
            | Compression::PackBits
            | Compression::Lzw
            | Compression::Deflate
            | Compression::Zstandard
            | Compression::Jpeg(_) => chunks,
        },
        orientation: orientation(&directory),
        ..StoredImage::rgb(layout.size)
    })
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let directory = directory(bytes)?;
    let layout = Layout::read(&directory, limits)?;
    let mut image = RgbImage::new(layout.size.0, layout.size.1);
    match &layout.compression {
        Compression::OldJpeg(jpeg) => {
            jpeg.draw(bytes, &layout, &mut image, limits)?;
            return Ok((image, orientation(&directory)));
        }
        // The work is bounded by the number of pixels.
        Compression::None => {}
        Compression::PackBits
        | Compression::Lzw
        | Compression::Deflate
        | Compression::Zstandard
        | Compression::Fax(_) => layout.chunks.check_reads(bytes, &[])?,
        Compression::Jpeg(jpeg) => layout.chunks.check_reads(bytes, &jpeg.tables)?,
    }
    for (index, (corner, visible)) in layout.chunks.areas(layout.size).enumerate() {
        let chunk = Chunk::read(bytes, &layout, index, visible.1, limits)?;
        chunk.draw(&layout, &mut image, corner, visible);
    }
    Ok((image, orientation(&directory)))
}

/// The directory of a file whose format was recognised.
fn directory(bytes: &[u8]) -> Result<Directory<'_>, PreprocessError> {
    Directory::read(bytes).ok_or_else(|| failed("no directory of tags"))
}

/// The tag of the file goes before its XMP metadata.
fn orientation(directory: &Directory) -> Orientation {
    tagged_orientation(Some(directory), Some(directory.bytes(XMP)))
}

/// An uncompressed strip or tile.
struct Chunk {
    /// The rows of each plane.
    planes: Vec<Vec<u8>>,
    row_bytes: usize,
}

impl Chunk {
    fn read(
        file: &[u8],
        layout: &Layout<'_>,
        index: usize,
        visible_rows: u32,
        limits: &DecodeLimits,
    ) -> Result<Self, PreprocessError> {
        let width = layout.chunks.size.0;
        let rows = layout.chunks.stored_rows(visible_rows);
        let (columns, lines) = layout.color.subsampling();
        // Subsampled pixels are stored in blocks that share their colour.
        let (row_bytes, lines) = match (columns, lines) {
            (1, 1) => {
                let bits = layout.sample.bits() * layout.chunk_samples() * width as usize;
                (bits.div_ceil(8), rows)
            }
            _ => {
                let block = (columns * lines + 2) as usize;
                (
                    block * width.div_ceil(columns) as usize,
                    rows.div_ceil(lines),
                )
            }
        };
        let plane = |plane: usize| {
            let data = layout.chunks.data(file, plane, index)?;
            if let Compression::Jpeg(jpeg) = &layout.compression {
                let size = JpegSize {
                    width,
                    rows: visible_rows,
                    most_rows: layout.chunks.most_rows(index),
                };
                return jpeg.decode(data, layout.chunk_samples(), size, limits);
            }
            let mut bytes = vec![0; row_bytes * lines as usize];
            let is_plain = matches!(layout.compression, Compression::None);
            let length = if is_plain { bytes.len() } else { data.len() };
            let data = &data[..length.min(data.len())];
            let data = match layout.low_bit_first {
                true => Cow::Owned(data.iter().map(|byte| byte.reverse_bits()).collect()),
                false => Cow::Borrowed(data),
            };
            layout
                .compression
                .decompress(&data, width, row_bytes, &mut bytes)?;
            for row in bytes.chunks_exact_mut(row_bytes) {
                let (samples, bits) = (layout.chunk_samples(), layout.sample.bits());
                predictor::undo(layout.predictor, row, samples, bits, layout.order);
            }
            Ok(bytes)
        };
        let planes = (0..layout.chunks.planes).map(plane);
        Ok(Self {
            planes: planes.collect::<Result<_, _>>()?,
            row_bytes,
        })
    }

    /// Draws the `visible` (width, height) at a corner of the image.
    fn draw(
        &self,
        layout: &Layout<'_>,
        image: &mut RgbImage,
        (left, top): (u32, u32),
        (width, height): (u32, u32),
    ) {
        let samples = layout.samples;
        for y in 0..height {
            let levels = match layout.color.subsampling() {
                (1, 1) => self.levels(layout, y as usize, width as usize),
                blocks => self.levels_of_blocks(blocks, y as usize, width as usize),
            };
            for (x, levels) in (left..).zip(levels.chunks_exact(samples)) {
                image.put_pixel(x, top + y, layout.color.rgb(levels).into());
            }
        }
    }

    /// The samples of a row, pixel by pixel.
    fn levels(&self, layout: &Layout<'_>, y: usize, width: usize) -> Vec<u8> {
        let count = width * layout.chunk_samples();
        let row = |plane: &Vec<u8>| {
            let row = &plane[y * self.row_bytes..][..self.row_bytes];
            layout.sample.levels(row, layout.order, count)
        };
        if let [plane] = &self.planes[..] {
            return row(plane);
        }
        let rows: Vec<Vec<u8>> = self.planes.iter().map(row).collect();
        let pixel = |x: usize| rows.iter().map(move |row| row[x]);
        (0..width).flat_map(pixel).collect()
    }

    /// The samples of a row of pixels that are stored in blocks: the brightness of each pixel, then the two colour
    /// differences of all.
    fn levels_of_blocks(&self, (columns, lines): (u32, u32), y: usize, width: usize) -> Vec<u8> {
        let (columns, lines) = (columns as usize, lines as usize);
        let block_bytes = columns * lines + 2;
        let row = &self.planes[0][y / lines * self.row_bytes..][..self.row_bytes];
        let pixel = |x: usize| {
            let block = &row[x / columns * block_bytes..][..block_bytes];
            let brightness = block[y % lines * columns + x % columns];
            [brightness, block[block_bytes - 2], block[block_bytes - 1]]
        };
        (0..width).flat_map(pixel).collect()
    }
}

fn failed(message: impl Into<String>) -> PreprocessError {
    PreprocessError::decode(ImageCodec::Tiff.name(), message.into())
}

/// A valid file of a kind that is not read.
fn unsupported(kind: String) -> PreprocessError {
    failed(format!(
        "{kind} is not supported; convert the file to PNG, for example with: magick FILE.tif FILE.png"
    ))
}
