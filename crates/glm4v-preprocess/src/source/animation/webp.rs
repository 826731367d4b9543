use image::{Rgba, RgbaImage};

use super::canvas::{Area, Canvas, Composite, over};
use super::contents::{AnimatedFormat, Contents};
use crate::PreprocessError;
use crate::codec::webp::{WebpFrame, animation, number};

/// Browsers replace delays up to the first by the second, in milliseconds.
const IGNORED_DELAY: u32 = 10;
const DEFAULT_DELAY: u32 = 100;

/// `None` for a WebP that is not animated.
pub(super) fn contents(webp: &[u8]) -> Option<Contents> {
    let length = webp.get(4..8)?.first_chunk()?;
    let claimed = u64::from(u32::from_le_bytes(*length)) + 8;
    let (size, frames) = animation(webp)?;
    let delay = |frame: &[u8]| {
        let delay = number(frame, 12)?;
        let delay = if delay > IGNORED_DELAY {
            delay
        } else {
            DEFAULT_DELAY
        };
        Some(f64::from(delay) / 1000.0)
    };
    let delays: Vec<f64> = frames.map(delay).collect::<Option<_>>()?;
    let count = delays.len();
    let cut = format!("the WebP is cut off after {count} frames");
    Some(Contents {
        format: AnimatedFormat::WebP,
        size,
        delays,
        warning: (claimed > webp.len() as u64).then_some(cut),
    })
}

/// The frames of an animated WebP, composited.
pub(super) struct WebpFrames<'a> {
    frames: Box<dyn Iterator<Item = &'a [u8]> + 'a>,
    canvas: Canvas,
    /// The area of the shown frame, where it must be cleared.
    cleared: Option<Area>,
}

impl<'a> WebpFrames<'a> {
    pub(super) fn new(webp: &'a [u8], size: (u32, u32)) -> Self {
        let frames = animation(webp).into_iter().flat_map(|(_, frames)| frames);
        Self {
            frames: Box::new(frames),
            canvas: Canvas::new(size),
            cleared: None,
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
        let data = self.frames.next().unwrap_or_default();
        let frame = WebpFrame::read(data, self.canvas.0.dimensions())?;
        let area = Area {
            left: frame.left,
            top: frame.top,
            width: frame.width,
            height: frame.height,
        };
        let pixels = frame.decode()?.into_rgba8();
        self.draw(area, &pixels, frame.replaces);
        self.cleared = frame.is_cleared.then_some(area);
        Ok(())
    }

    fn canvas(&self) -> &RgbaImage {
        &self.canvas.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANIMATED: u8 = 2;

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
