//! Animated GIF, PNG and WebP.

mod bytes;
mod canvas;
mod gif;
mod png;
mod webp;

use image::{DynamicImage, ImageFormat, RgbImage};

use crate::contain::contain;
use crate::formats::check_size;
use crate::rgb::{Alpha, into_rgb};
use crate::{ClipInfo, OpenOptions, PreprocessError, formats};
use canvas::Composite;

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
    size: (u32, u32),
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
            size: (width, height),
            options: options.clone(),
        })
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn reader(&self) -> Result<AnimationReader<'_>, PreprocessError> {
        let (format, name) = formats::of(&self.bytes).expect("it was opened by its format");
        Ok(AnimationReader {
            composite: contain(name, || self.composite(format))?,
            name,
            read: 0,
        })
    }

    fn composite(&self, format: ImageFormat) -> Result<Box<dyn Composite + '_>, PreprocessError> {
        let (bytes, size, options) = (&self.bytes, self.size, &self.options);
        Ok(match format {
            ImageFormat::Gif => Box::new(gif::GifFrames::new(bytes, size, options.max_pixels)?),
            ImageFormat::Png => Box::new(png::PngFrames::new(bytes, options.max_bytes)?),
            _ => Box::new(webp::WebpFrames::new(bytes, size)),
        })
    }
}

/// The frames of an animated picture, one canvas in memory.
pub(crate) struct AnimationReader<'a> {
    composite: Box<dyn Composite + 'a>,
    name: &'static str,
    read: usize,
}

impl AnimationReader<'_> {
    pub(crate) fn frame(&mut self, index: usize) -> Result<RgbImage, PreprocessError> {
        while self.read <= index {
            contain(self.name, || self.composite.advance())?;
            self.read += 1;
        }
        let canvas = self.composite.canvas().clone();
        into_rgb(DynamicImage::ImageRgba8(canvas), Alpha::OverWhite)
    }
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
