use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{AnimationDecoder, Frames, ImageError, Limits, RgbaImage};

use super::bytes::Bytes;
use super::canvas::Composite;
use super::contents::{AnimatedFormat, Contents};
use crate::PreprocessError;
use crate::codec::DecodeLimits;

const SIGNATURE: usize = 8;
/// ffmpeg's delay for a frame without one, in seconds.
const DEFAULT_DELAY: f64 = 1.0 / 15.0;

/// `None` for a PNG that is not animated.
pub(super) fn contents(png: &[u8]) -> Option<Contents> {
    let mut rest = Bytes(png);
    rest.take(SIGNATURE)?;
    let (mut size, mut claimed) = (None, None);
    let mut delays = Vec::new();
    // The frame that is being read. It is complete when the chunk after its data starts.
    let (mut delay, mut has_data) = (None, false);
    while let Some((name, data)) = chunk(&mut rest) {
        if matches!(name, b"IDAT" | b"fdAT") {
            // An animation claims its frames before the first data.
            claimed?;
            has_data = true;
            continue;
        }
        if matches!(name, b"fcTL" | b"IEND") && has_data {
            delays.extend(delay.take());
        }
        match name {
            b"IHDR" => size = Some((number(data, 0)?, number(data, 4)?)),
            b"acTL" => claimed = Some(number(data, 0)? as usize),
            b"fcTL" => (delay, has_data) = (Some(seconds(data)?), false),
            b"IEND" => break,
            _ => {}
        }
    }
    let claimed = claimed?;
    delays.truncate(claimed);
    let short = format!("the PNG has {} of its {claimed} frames", delays.len());
    Some(Contents {
        format: AnimatedFormat::Png,
        size: size?,
        warning: (delays.len() < claimed).then_some(short),
        delays,
    })
}

/// The next chunk, if it is complete.
fn chunk<'a>(rest: &mut Bytes<'a>) -> Option<(&'a [u8; 4], &'a [u8])> {
    let length = u32::from_be_bytes(rest.array()?);
    let name = rest.take(4)?.first_chunk()?;
    let data = rest.take(length as usize)?;
    let _checksum = rest.take(4)?;
    Some((name, data))
}

fn number(data: &[u8], offset: usize) -> Option<u32> {
    let bytes = data.get(offset..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

/// The delay in the control chunk of a frame: a fraction. A denominator of 0 counts as 100.
fn seconds(control: &[u8]) -> Option<f64> {
    let (top, bottom) = (control.get(20..22)?, control.get(22..24)?);
    let [top, bottom] = [top, bottom].map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let bottom = if bottom == 0 { 100 } else { bottom };
    Some(match top {
        0 => DEFAULT_DELAY,
        _ => f64::from(top) / f64::from(bottom),
    })
}

/// The frames of an animated PNG, composited by the `image` crate.
pub(super) struct PngFrames<'a> {
    frames: Frames<'a>,
    canvas: RgbaImage,
}

impl<'a> PngFrames<'a> {
    pub(super) fn new(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, PreprocessError> {
        let mut allocations = Limits::no_limits();
        allocations.max_alloc = Some(limits.max_decoded_bytes);
        let decoder = PngDecoder::with_limits(Cursor::new(bytes), allocations);
        let decoder = decoder.and_then(PngDecoder::apng).map_err(failed)?;
        Ok(Self {
            frames: decoder.into_frames(),
            canvas: RgbaImage::default(),
        })
    }
}

impl Composite for PngFrames<'_> {
    fn advance(&mut self) -> Result<(), PreprocessError> {
        let frame = self.frames.next();
        let frame =
            frame.ok_or_else(|| PreprocessError::decode(AnimatedFormat::Png.name(), "no frame"))?;
        self.canvas = frame.map_err(failed)?.into_buffer();
        Ok(())
    }

    fn canvas(&self) -> &RgbaImage {
        &self.canvas
    }
}

fn failed(error: ImageError) -> PreprocessError {
    PreprocessError::decode(AnimatedFormat::Png.name(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let length = (data.len() as u32).to_be_bytes();
        [&length, name.as_slice(), data, &[0; 4]].concat()
    }

    fn control(top: u8, bottom: u8) -> Vec<u8> {
        let mut data = vec![0; 26];
        (data[21], data[23]) = (top, bottom);
        chunk(b"fcTL", &data)
    }

    fn png(claimed: u8, frames: &[(u8, u8)]) -> Vec<u8> {
        let header = chunk(b"IHDR", &[0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
        let mut bytes = [vec![0; SIGNATURE], header].concat();
        bytes.extend(chunk(b"acTL", &[0, 0, 0, claimed, 0, 0, 0, 0]));
        for (index, &(top, bottom)) in frames.iter().enumerate() {
            bytes.extend(control(top, bottom));
            bytes.extend(chunk(if index == 0 { b"IDAT" } else { b"fdAT" }, b"data"));
        }
        bytes.extend(chunk(b"IEND", &[]));
        bytes
    }

    #[test]
    fn frames_are_counted_and_timed_without_their_pixels() {
        let contents = contents(&png(3, &[(1, 4), (7, 0), (0, 9)])).unwrap();
        assert_eq!(contents.size, (3, 2));
        assert_eq!(contents.delays, [0.25, 0.07, DEFAULT_DELAY]);
        assert_eq!(contents.warning, None);
    }

    #[test]
    fn the_claimed_number_of_frames_may_be_wrong() {
        let more = contents(&png(9, &[(1, 4), (1, 4)])).unwrap();
        assert_eq!(more.delays.len(), 2);
        assert_eq!(more.warning.unwrap(), "the PNG has 2 of its 9 frames");
        let fewer = contents(&png(1, &[(1, 4), (1, 4)])).unwrap();
        assert_eq!((fewer.delays.len(), fewer.warning), (1, None));
    }

    #[test]
    fn a_cut_leaves_the_whole_frames() {
        let whole = png(2, &[(1, 4), (1, 4)]);
        for length in 0..whole.len() {
            let count = contents(&whole[..length]).map_or(0, |contents| contents.delays.len());
            assert!(count < 2, "{length}");
        }
    }

    #[test]
    fn an_image_without_frames_is_none() {
        let mut plain = png(2, &[(1, 4)]);
        let start = plain
            .windows(4)
            .position(|window| window == b"acTL")
            .unwrap();
        plain[start..start + 4].copy_from_slice(b"tEXt");
        assert_eq!(contents(&plain), None);
    }
}
