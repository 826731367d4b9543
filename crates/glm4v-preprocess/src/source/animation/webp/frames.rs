//! `image` would composite the frames too, but it never clears one that is to be cleared (image-webp 0.2.4). So it is
//! given each frame as a picture of its own.

use image::{ImageFormat, Rgba, RgbaImage};

use super::super::canvas::{Area, Canvas, Composite, over};
use super::{Bytes, chunk, number};
use crate::PreprocessError;

const NAME: &str = "WebP";
/// Bytes of the file's header, and of a frame's before its pixels.
const FILE_HEADER: usize = 12;
const FRAME_HEADER: usize = 16;
/// Flags of a frame.
const REPLACES: u8 = 2;
const IS_CLEARED: u8 = 1;
/// The flag of a picture with an alpha channel beside its colours.
const ALPHA: u8 = 0x10;

/// The frames of an animated WebP, composited.
pub(crate) struct WebpFrames<'a> {
    rest: Bytes<'a>,
    canvas: Canvas,
    /// Of the shown frame, where it is to be cleared.
    cleared: Option<Area>,
}

impl<'a> WebpFrames<'a> {
    pub(crate) fn new(webp: &'a [u8], size: (u32, u32)) -> Self {
        Self {
            rest: Bytes(&webp[FILE_HEADER.min(webp.len())..]),
            canvas: Canvas::new(size),
            cleared: None,
        }
    }

    fn next_frame(&mut self) -> Option<&'a [u8]> {
        loop {
            if let (b"ANMF", frame) = chunk(&mut self.rest)? {
                return Some(frame);
            }
        }
    }

    fn draw(&mut self, area: Area, frame: &RgbaImage, replaces: bool) {
        self.canvas.change(area, |x, y, pixel: &mut Rgba<u8>| {
            let drawn = *frame.get_pixel(x, y);
            *pixel = if replaces { drawn } else { over(drawn, *pixel) };
        });
    }
}

impl Composite for WebpFrames<'_> {
    fn advance(&mut self) -> Result<(), PreprocessError> {
        if let Some(area) = self.cleared.take() {
            self.canvas.clear(area);
        }
        let damaged = || PreprocessError::decode(NAME, "a frame without a size");
        let data = self.next_frame().ok_or_else(damaged)?;
        let area = area(data).ok_or_else(damaged)?;
        let (width, height) = self.canvas.0.dimensions();
        let fits = area.left + area.width <= width && area.top + area.height <= height;
        let (header, pixels) = data.split_at_checked(FRAME_HEADER).ok_or_else(damaged)?;
        if !fits {
            let found = "a frame that sticks out of its canvas";
            return Err(PreprocessError::decode(NAME, found));
        }
        let picture = picture(area, pixels);
        let frame = image::load_from_memory_with_format(&picture, ImageFormat::WebP)
            .map_err(|error| PreprocessError::decode(NAME, error))?
            .into_rgba8();
        if frame.dimensions() != (area.width, area.height) {
            let found = "a frame of another size than it says";
            return Err(PreprocessError::decode(NAME, found));
        }
        let flags = header[FRAME_HEADER - 1];
        self.draw(area, &frame, flags & REPLACES != 0);
        self.cleared = (flags & IS_CLEARED != 0).then_some(area);
        Ok(())
    }

    fn canvas(&self) -> &RgbaImage {
        &self.canvas.0
    }
}

fn area(frame: &[u8]) -> Option<Area> {
    Some(Area {
        left: 2 * number(frame, 0)?,
        top: 2 * number(frame, 3)?,
        width: number(frame, 6)? + 1,
        height: number(frame, 9)? + 1,
    })
}

/// The pixels of a frame as a file.
fn picture(area: Area, pixels: &[u8]) -> Vec<u8> {
    let mut header = b"VP8X\x0a\0\0\0".to_vec();
    header.extend([ALPHA, 0, 0, 0]);
    for side in [area.width - 1, area.height - 1] {
        header.extend(&side.to_le_bytes()[..3]);
    }
    if !pixels.starts_with(b"ALPH") {
        header.clear();
    }
    let length = (4 + header.len() + pixels.len()) as u32;
    [b"RIFF", &length.to_le_bytes()[..], b"WEBP", &header, pixels].concat()
}
