//! Animated GIF, PNG and WebP.

mod bytes;
mod gif;
mod png;
mod webp;

use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{
    AnimationDecoder, DynamicImage, Frames, ImageDecoder, ImageError, ImageFormat, ImageResult,
    Limits, RgbImage,
};

use crate::contain::contain;
use crate::formats::check_size;
use crate::rgb::{Alpha, into_rgb};
use crate::{ClipInfo, OpenOptions, PreprocessError, formats};

/// What an animated picture says of itself, without its pixels.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    /// (width, height).
    pub(crate) size: (u32, u32),
    /// How long each frame that is there to its end is shown, in seconds.
    pub(crate) delays: Vec<f64>,
    pub(crate) warning: Option<String>,
}

impl Contents {
    pub(crate) fn info(&self) -> ClipInfo {
        let mut duration = 0.0;
        let mut start = |delay: &f64| {
            let start = duration;
            duration += delay;
            start
        };
        let times: Vec<f64> = self.delays.iter().map(&mut start).collect();
        ClipInfo {
            num_frames: times.len(),
            fps: Some(times.len() as f64 / duration),
            duration: Some(duration),
            frame_times: Some(times),
        }
    }
}

/// What is in a picture of more frames than one.
pub(crate) fn contents(bytes: &[u8]) -> Option<Contents> {
    let contents = match formats::of(bytes)? {
        (ImageFormat::Gif, _) => gif::contents(bytes),
        (ImageFormat::Png, _) => png::contents(bytes),
        (ImageFormat::WebP, _) => webp::contents(bytes),
        _ => None,
    };
    contents.filter(|contents| contents.delays.len() > 1)
}

/// An animated picture, undecoded.
#[derive(Debug)]
pub(crate) struct Animation {
    bytes: Vec<u8>,
    options: OpenOptions,
}

impl Animation {
    pub(crate) fn new(
        bytes: Vec<u8>,
        (width, height): (u32, u32),
        options: &OpenOptions,
    ) -> Result<Self, PreprocessError> {
        // As RGBA, which is what is composited.
        let area = u64::from(width) * u64::from(height);
        check_size(width, height, 4 * area, options)?;
        Ok(Self {
            bytes,
            options: options.clone(),
        })
    }

    pub(crate) fn reader(&self) -> Result<AnimationReader<'_>, PreprocessError> {
        let (format, name) = formats::of(&self.bytes).expect("it was opened by its format");
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(self.options.max_bytes);
        let frames = contain(name, || {
            frames(&self.bytes, format, limits).map_err(|error| failed(name, error))
        })?;
        Ok(AnimationReader {
            frames,
            name,
            read: 0,
        })
    }
}

/// The frames of an animated picture, one canvas in memory.
pub(crate) struct AnimationReader<'a> {
    frames: Frames<'a>,
    name: &'static str,
    read: usize,
}

impl AnimationReader<'_> {
    pub(crate) fn frame(&mut self, index: usize) -> Result<RgbImage, PreprocessError> {
        let name = self.name;
        loop {
            let found = self.read;
            let frame = contain(name, || {
                let frame = self.frames.next();
                let frame = frame.ok_or(PreprocessError::MissingFrame { index, found })?;
                frame.map_err(|error| failed(name, error))
            })?;
            self.read += 1;
            if self.read > index {
                let canvas = DynamicImage::ImageRgba8(frame.into_buffer());
                return into_rgb(canvas, Alpha::OverWhite);
            }
        }
    }
}

fn frames(bytes: &[u8], format: ImageFormat, limits: Limits) -> ImageResult<Frames<'_>> {
    let file = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(file)?;
            decoder.set_limits(limits)?;
            decoder.into_frames()
        }
        ImageFormat::Png => PngDecoder::with_limits(file, limits)?.apng()?.into_frames(),
        _ => {
            let mut decoder = WebPDecoder::new(file)?;
            decoder.set_limits(limits)?;
            decoder.into_frames()
        }
    })
}

fn failed(name: &'static str, error: ImageError) -> PreprocessError {
    PreprocessError::decode(name, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_delays_added_up() {
        let contents = Contents {
            size: (1, 1),
            delays: vec![0.5, 0.25, 1.25],
            warning: None,
        };
        let info = contents.info();
        assert_eq!((info.num_frames, info.fps), (3, Some(1.5)));
        assert_eq!(info.duration, Some(2.0));
        assert_eq!(info.frame_times, Some(vec![0.0, 0.5, 0.75]));
    }
}
