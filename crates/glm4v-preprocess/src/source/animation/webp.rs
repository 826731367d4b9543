use image::{ImageFormat, Rgba, RgbaImage};

use super::bytes::Bytes;
use super::canvas::{Area, Canvas, Composite, over};
use super::contents::{AnimatedFormat, Contents};
use crate::PreprocessError;

/// The flag in the header of an animation.
const ANIMATED: u8 = 2;
/// Browsers replace delays up to the first by the second, in milliseconds.
const IGNORED_DELAY: u32 = 10;
const DEFAULT_DELAY: u32 = 100;
/// Bytes of the file's header, and of a frame's header before its pixels.
const FILE_HEADER: usize = 12;
const FRAME_HEADER: usize = 16;
/// Flags of a frame.
const REPLACES: u8 = 2;
const IS_CLEARED: u8 = 1;
/// The flag of an image with an alpha channel.
const ALPHA: u8 = 0x10;

/// `None` for a WebP that is not animated.
pub(super) fn contents(webp: &[u8]) -> Option<Contents> {
    let mut rest = Bytes(webp);
    let [.., l0, l1, l2, l3, _, _, _, _] = rest.array::<12>()?;
    let claimed = u64::from(u32::from_le_bytes([l0, l1, l2, l3])) + 8;
    let (b"VP8X", header) = chunk(&mut rest)? else {
        return None;
    };
    if header.first()? & ANIMATED == 0 {
        return None;
    }
    let size = (number(header, 4)? + 1, number(header, 7)? + 1);
    let mut delays = Vec::new();
    while let Some((name, data)) = chunk(&mut rest) {
        if name == b"ANMF" {
            let delay = number(data, 12)?;
            let delay = if delay > IGNORED_DELAY {
                delay
            } else {
                DEFAULT_DELAY
            };
            delays.push(f64::from(delay) / 1000.0);
        }
    }
    let count = delays.len();
    let cut = format!("the WebP is cut off after {count} frames");
    Some(Contents {
        format: AnimatedFormat::WebP,
        size,
        delays,
        warning: (claimed > webp.len() as u64).then_some(cut),
    })
}

/// The next chunk, if it is complete.
fn chunk<'a>(rest: &mut Bytes<'a>) -> Option<(&'a [u8; 4], &'a [u8])> {
    let name = rest.take(4)?.first_chunk()?;
    let length = u32::from_le_bytes(rest.array()?) as usize;
    let data = rest.take(length)?;
    if !length.is_multiple_of(2) {
        let _padding = rest.byte();
    }
    Some((name, data))
}

/// A number of three bytes.
fn number(data: &[u8], offset: usize) -> Option<u32> {
    let &[low, middle, high] = data.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes([low, middle, high, 0]))
}

/// The frames of an animated WebP, composited. The `image` crate decodes each frame as an image of its own, because its
/// own compositing (image-webp 0.2.4) never clears a frame that must be cleared.
pub(super) struct WebpFrames<'a> {
    rest: Bytes<'a>,
    canvas: Canvas,
    /// The area of the shown frame, where it must be cleared.
    cleared: Option<Area>,
}

impl<'a> WebpFrames<'a> {
    pub(super) fn new(webp: &'a [u8], size: (u32, u32)) -> Self {
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
        let damaged =
            || PreprocessError::decode(AnimatedFormat::WebP.name(), "a frame without a size");
        let data = self.next_frame().ok_or_else(damaged)?;
        let area = area(data).ok_or_else(damaged)?;
        let (width, height) = self.canvas.0.dimensions();
        let fits = area.left + area.width <= width && area.top + area.height <= height;
        let (header, pixels) = data.split_at_checked(FRAME_HEADER).ok_or_else(damaged)?;
        if !fits {
            let found = "a frame reaches beyond the canvas";
            return Err(PreprocessError::decode(AnimatedFormat::WebP.name(), found));
        }
        let file = image_file(area, pixels);
        let frame = image::load_from_memory_with_format(&file, ImageFormat::WebP)
            .map_err(|error| PreprocessError::decode(AnimatedFormat::WebP.name(), error))?
            .into_rgba8();
        if frame.dimensions() != (area.width, area.height) {
            let found = "a frame does not have the size in its header";
            return Err(PreprocessError::decode(AnimatedFormat::WebP.name(), found));
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

/// The pixels of a frame, as a file.
fn image_file(area: Area, pixels: &[u8]) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let length = (data.len() as u32).to_le_bytes();
        [name.as_slice(), &length, data].concat()
    }

    fn webp(flags: u8, delays: &[u8]) -> Vec<u8> {
        let mut chunks = chunk(b"VP8X", &[flags, 0, 0, 0, 2, 0, 0, 1, 0, 0]);
        for &delay in delays {
            let mut frame = vec![0; 24];
            frame[12] = delay;
            chunks.extend(chunk(b"ANMF", &frame));
        }
        let length = (chunks.len() as u32 + 4).to_le_bytes();
        [b"RIFF".as_slice(), &length, b"WEBP", &chunks].concat()
    }

    #[test]
    fn frames_are_counted_and_timed_without_their_pixels() {
        let contents = contents(&webp(ANIMATED, &[50, 11, 10, 0])).unwrap();
        assert_eq!(contents.size, (3, 2));
        assert_eq!(contents.delays, [0.05, 0.011, 0.1, 0.1]);
        assert_eq!(contents.warning, None);
    }

    #[test]
    fn a_cut_leaves_the_whole_frames() {
        let whole = webp(ANIMATED, &[50, 50]);
        for length in whole.len() - 32..whole.len() {
            let contents = contents(&whole[..length]).unwrap();
            assert_eq!(contents.delays, [0.05]);
            assert!(contents.warning.is_some());
        }
    }

    #[test]
    fn an_image_without_frames_is_none() {
        assert_eq!(contents(&webp(0, &[50, 50])), None);
        assert_eq!(contents(b"RIFF"), None);
    }
}
