//! The first frame of a GIF, laid on its canvas as Pillow does.

use gif::{ColorOutput, DecodeOptions, Decoder, Frame, MemoryLimit};
use image::metadata::Orientation;
use image::{Rgb, RgbImage};

use crate::formats::check_size;
use crate::open::Stored;
use crate::rgb::whiten;
use crate::{OpenOptions, PreprocessError};

pub(crate) fn decode(bytes: &[u8], options: &OpenOptions) -> Result<RgbImage, PreprocessError> {
    let Started {
        mut reader,
        frame,
        size: (width, height),
    } = start(bytes, options)?;
    let mut indices = vec![0; reader.buffer_size()];
    reader.read_into_buffer(&mut indices).map_err(failed)?;
    let palette = frame
        .palette
        .as_deref()
        .or(reader.global_palette())
        .unwrap_or(&[]);
    Ok(draw(&frame, &indices, palette, width, height))
}

/// What [`decode`] reads.
pub(crate) fn stored(bytes: &[u8], options: &OpenOptions) -> Result<Stored, PreprocessError> {
    let size @ (width, height) = start(bytes, options)?.size;
    Ok(Stored {
        size,
        decoded: 3 * u64::from(width) * u64::from(height),
        orientation: Orientation::NoTransforms,
        comes_in_strips: false,
    })
}

/// A reader before the first frame's pixels.
struct Started<'a> {
    reader: Decoder<&'a [u8]>,
    frame: Frame<'static>,
    /// Width and height of the canvas that the frame needs.
    size: (u32, u32),
}

fn start<'a>(bytes: &'a [u8], options: &OpenOptions) -> Result<Started<'a>, PreprocessError> {
    let mut settings = DecodeOptions::new();
    settings.set_color_output(ColorOutput::Indexed);
    settings.allow_unknown_blocks(true);
    settings.set_memory_limit(MemoryLimit::Unlimited);
    let mut reader = settings.read_info(bytes).map_err(failed)?;
    let (screen_width, screen_height) = (reader.width(), reader.height());
    let frame = reader.next_frame_info().map_err(failed)?;
    let frame = frame
        .ok_or_else(|| PreprocessError::decode("GIF", "no frame"))?
        .clone();

    // A frame that sticks out widens the canvas.
    let width = u32::from(screen_width).max(u32::from(frame.left) + u32::from(frame.width));
    let height = u32::from(screen_height).max(u32::from(frame.top) + u32::from(frame.height));
    let area = u64::from(width) * u64::from(height);
    check_size(width, height, 3 * area, options)?;
    Ok(Started {
        reader,
        frame,
        size: (width, height),
    })
}

fn failed(error: gif::DecodingError) -> PreprocessError {
    PreprocessError::decode("GIF", error)
}

fn draw(frame: &Frame, indices: &[u8], palette: &[u8], width: u32, height: u32) -> RgbImage {
    let (colors, _) = palette.as_chunks::<3>();
    let color = |index: u8| Rgb(colors.get(usize::from(index)).copied().unwrap_or_default());
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
