//! The first frame of a GIF, drawn on its canvas as Pillow does.

use std::io::{Chain, Cursor, Read};

use gif::{ColorOutput, Decoder, Frame, MemoryLimit};
use image::metadata::Orientation;
use image::{Rgb, RgbImage};

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::stored::StoredImage;
use crate::PreprocessError;
use crate::rgb::whiten;

/// Bytes before the palette.
const SCREEN: usize = 13;
/// The byte with the size of the palette, and its bits.
const FLAGS: usize = 10;
const HAS_PALETTE: u8 = 0x80;
const COLORS_256: u8 = 7;

/// A decoder of a file whose header may have been changed.
pub(crate) type GifReader<'a> = Decoder<Chain<Cursor<Vec<u8>>, &'a [u8]>>;

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    let stored = StoredImage::rgb(FirstFrame::open(bytes, limits)?.canvas);
    Ok(StoredImage {
        // Palette indices.
        scratch_bytes: stored.area(),
        ..stored
    })
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let FirstFrame {
        mut reader,
        frame,
        canvas,
    } = FirstFrame::open(bytes, limits)?;
    let mut indices = vec![0; reader.buffer_size()];
    reader.read_into_buffer(&mut indices).map_err(failed)?;
    let palette = frame.palette.as_deref();
    let palette = palette.or(reader.global_palette()).unwrap_or(&[]);
    let image = draw(&frame, &indices, palette, canvas);
    Ok((image, Orientation::NoTransforms))
}

/// A reader of palette indices, before the first frame. It has no limit of its own: callers check a frame's size before
/// they read its pixels.
pub(crate) fn reader(bytes: &[u8]) -> Result<GifReader<'_>, PreprocessError> {
    let mut settings = gif::DecodeOptions::new();
    settings.set_color_output(ColorOutput::Indexed);
    settings.allow_unknown_blocks(true);
    settings.set_memory_limit(MemoryLimit::Unlimited);
    let (start, rest) = bytes.split_at(SCREEN.min(bytes.len()));
    let start = with_palette(start);
    settings
        .read_info(Cursor::new(start).chain(rest))
        .map_err(failed)
}

/// The header of a file with a palette. Without a palette, Pillow takes the indices of pixels for levels of gray.
fn with_palette(screen: &[u8]) -> Vec<u8> {
    let mut screen = screen.to_vec();
    if let Some(flags) = screen.get_mut(FLAGS)
        && *flags & HAS_PALETTE == 0
    {
        *flags |= HAS_PALETTE | COLORS_256;
        screen.extend((0..=u8::MAX).flat_map(|level| [level; 3]));
    }
    screen
}

/// The next frame's size and palette. The reader stands before its pixels.
pub(crate) fn next_frame(reader: &mut GifReader) -> Result<Frame<'static>, PreprocessError> {
    let frame = reader.next_frame_info().map_err(failed)?;
    let frame = frame.ok_or_else(|| PreprocessError::decode(ImageCodec::Gif.name(), "no frame"))?;
    Ok(frame.clone())
}

pub(crate) fn failed(error: gif::DecodingError) -> PreprocessError {
    PreprocessError::decode(ImageCodec::Gif.name(), error)
}

struct FirstFrame<'a> {
    reader: GifReader<'a>,
    frame: Frame<'static>,
    /// (width, height) that the frame needs.
    canvas: (u32, u32),
}

impl<'a> FirstFrame<'a> {
    fn open(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, PreprocessError> {
        let mut reader = reader(bytes)?;
        let (width, height) = (u32::from(reader.width()), u32::from(reader.height()));
        let frame = next_frame(&mut reader)?;
        // A frame that reaches beyond the canvas enlarges it.
        let width = width.max(u32::from(frame.left) + u32::from(frame.width));
        let height = height.max(u32::from(frame.top) + u32::from(frame.height));
        let canvas = (width, height);
        limits.check_size(canvas, StoredImage::rgb(canvas).decoded_bytes)?;
        Ok(Self {
            reader,
            frame,
            canvas,
        })
    }
}

fn draw(frame: &Frame, indices: &[u8], palette: &[u8], canvas: (u32, u32)) -> RgbImage {
    let (colors, _) = palette.as_chunks::<3>();
    let color = |index: u8| Rgb(colors.get(usize::from(index)).copied().unwrap_or_default());
    let (width, height) = canvas;
    let mut canvas = RgbImage::from_pixel(width, height, color(frame.transparent.unwrap_or(0)));
    let columns = usize::from(frame.width).max(1);
    for (y, line) in (u32::from(frame.top)..).zip(indices.chunks_exact(columns)) {
        for (x, &index) in (u32::from(frame.left)..).zip(line) {
            canvas.put_pixel(x, y, color(index));
        }
    }
    if let Some(index) = frame.transparent {
        whiten(&mut canvas, color(index));
    }
    canvas
}
