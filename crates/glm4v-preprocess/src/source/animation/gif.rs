use gif::DisposalMethod;
use image::{Rgba, RgbaImage};

use super::bytes::Bytes;
use super::canvas::{Area, Canvas, Composite};
use super::contents::{AnimatedFormat, Contents};
use crate::PreprocessError;
use crate::codec::DecodeLimits;
use crate::codec::gif::{GifReader, failed, next_frame, reader};

const EXTENSION: u8 = 0x21;
const FRAME: u8 = 0x2c;
const END: u8 = 0x3b;
/// The extension with the delay of the next frame.
const CONTROL: u8 = 0xf9;
/// Delays below the minimum become the default, as in ffmpeg. In hundredths of a second.
const MIN_DELAY: u16 = 2;
const DEFAULT_DELAY: u16 = 10;

/// `None` for bytes without the header of a GIF.
pub(super) fn contents(gif: &[u8]) -> Option<Contents> {
    let mut rest = Bytes(gif);
    let [.., w0, w1, h0, h1, flags, _, _] = rest.array::<13>()?;
    let sides = [[w0, w1], [h0, h1]].map(u16::from_le_bytes);
    rest.take(palette_bytes(flags))?;
    let mut delays = Vec::new();
    let ended = blocks(&mut rest, &mut delays).is_some();
    let cut = format!(
        "the GIF is cut off or damaged after {} frames",
        delays.len()
    );
    Some(Contents {
        format: AnimatedFormat::Gif,
        size: (sides[0].into(), sides[1].into()),
        delays,
        warning: (!ended).then_some(cut),
    })
}

/// Reads the blocks up to the end of the file. `None` where the file is cut off or damaged.
fn blocks(rest: &mut Bytes, delays: &mut Vec<f64>) -> Option<()> {
    let mut hundredths = 0;
    loop {
        match rest.byte() {
            Some(EXTENSION) => {
                let label = rest.byte()?;
                let first = sub_blocks(rest)?;
                if let (CONTROL, &[_, low, high, ..]) = (label, first) {
                    hundredths = u16::from_le_bytes([low, high]);
                }
            }
            Some(FRAME) => {
                let [.., flags] = rest.array::<9>()?;
                rest.take(palette_bytes(flags) + 1)?;
                sub_blocks(rest)?;
                let delay = Some(hundredths).filter(|&delay| delay >= MIN_DELAY);
                delays.push(f64::from(delay.unwrap_or(DEFAULT_DELAY)) / 100.0);
                hundredths = 0;
            }
            // Many encoders leave the end mark out.
            Some(END) | None => return Some(()),
            Some(_) => return None,
        }
    }
}

/// Skips a chain of sub-blocks, and returns the first one.
fn sub_blocks<'a>(rest: &mut Bytes<'a>) -> Option<&'a [u8]> {
    let length = rest.byte()?;
    let first = rest.take(length.into())?;
    let mut length = length;
    while length > 0 {
        length = rest.byte()?;
        rest.take(length.into())?;
    }
    Some(first)
}

fn palette_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 {
        return 0;
    }
    3 << ((flags & 7) + 1)
}

/// The frames of a GIF, composited.
pub(super) struct GifFrames<'a> {
    reader: GifReader<'a>,
    max_pixels: u64,
    canvas: Canvas,
    /// How to remove the shown frame before the next one.
    dispose: DisposalMethod,
    area: Area,
    before: Option<RgbaImage>,
}

impl<'a> GifFrames<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        size: (u32, u32),
        limits: &DecodeLimits,
    ) -> Result<Self, PreprocessError> {
        Ok(Self {
            reader: reader(bytes)?,
            max_pixels: limits.max_decoded_pixels,
            canvas: Canvas::new(size),
            dispose: DisposalMethod::Keep,
            area: Area::default(),
            before: None,
        })
    }

    fn dispose(&mut self) {
        match self.dispose {
            DisposalMethod::Any | DisposalMethod::Keep => {}
            DisposalMethod::Background => self.canvas.clear(self.area),
            DisposalMethod::Previous => {
                if let Some(before) = self.before.take() {
                    self.canvas.0 = before;
                }
            }
        }
    }
}

impl Composite for GifFrames<'_> {
    fn advance(&mut self) -> Result<(), PreprocessError> {
        self.dispose();
        let frame = next_frame(&mut self.reader)?;
        let area = Area {
            left: frame.left.into(),
            top: frame.top.into(),
            width: frame.width.into(),
            height: frame.height.into(),
        };
        let pixels = u64::from(area.width) * u64::from(area.height);
        if pixels > self.max_pixels {
            return Err(PreprocessError::TooLarge {
                unit: "pixels",
                limit: self.max_pixels,
                found: format!("a frame of {}×{} pixels", area.width, area.height),
            });
        }
        let mut indices = vec![0; self.reader.buffer_size()];
        self.reader.read_into_buffer(&mut indices).map_err(failed)?;
        let palette = frame.palette.as_deref();
        let palette = palette.or(self.reader.global_palette()).unwrap_or(&[]);
        let (colors, _) = palette.as_chunks::<3>();

        self.before = (frame.dispose == DisposalMethod::Previous).then(|| self.canvas.0.clone());
        self.canvas.change(area, |x, y, pixel| {
            let index = indices[y as usize * area.width as usize + x as usize];
            if frame.transparent != Some(index) {
                let color = colors.get(usize::from(index)).copied();
                let [red, green, blue] = color.unwrap_or_default();
                *pixel = Rgba([red, green, blue, u8::MAX]);
            }
        });
        (self.dispose, self.area) = (frame.dispose, area);
        Ok(())
    }

    fn canvas(&self) -> &RgbaImage {
        &self.canvas.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screen of 3 × 2, and frames with these delays.
    fn gif(delays: &[u8]) -> Vec<u8> {
        let mut bytes = b"GIF89a\x03\0\x02\0\x80\0\0abcdef".to_vec();
        for &delay in delays {
            bytes.extend([0x21, 0xf9, 4, 0, delay, 0, 0, 0]);
            bytes.extend([0x2c, 0, 0, 0, 0, 3, 0, 2, 0, 0, 2, 2, 0x84, 0x51, 0]);
        }
        bytes
    }

    #[test]
    fn frames_are_counted_and_timed_without_their_pixels() {
        let whole = [gif(&[5, 2, 1, 0]), vec![END]].concat();
        let contents = contents(&whole).unwrap();
        assert_eq!(contents.size, (3, 2));
        assert_eq!(contents.delays, [0.05, 0.02, 0.1, 0.1]);
        assert_eq!(contents.warning, None);
    }

    #[test]
    fn a_cut_leaves_the_whole_frames() {
        let whole = gif(&[5, 5]);
        let first = 13 + 6 + 8 + 15;
        // Between the delay and the frame nothing is missing that was begun.
        for length in (first + 1..whole.len()).filter(|&length| length != first + 8) {
            let contents = contents(&whole[..length]).unwrap();
            assert_eq!(contents.delays, [0.05]);
            assert!(contents.warning.unwrap().contains("after 1 frames"));
        }
        assert_eq!(contents(&whole).unwrap().warning, None);
        assert_eq!(contents(&whole[..12]), None);
    }
}
