//! Animated GIF, PNG and WebP: one file a format.

mod bytes;
mod canvas;
mod contents;
mod gif;
mod png;
mod webp;

use image::{DynamicImage, RgbImage};

use crate::PreprocessError;
use crate::codec::{DecodeLimits, ImageCodec, contain};
use crate::rgb::{Alpha, into_rgb};
use canvas::Composite;
use contents::AnimatedFormat;
pub(crate) use contents::Contents;

/// The contents of an image with more than one frame.
pub(crate) fn contents(bytes: &[u8]) -> Option<Contents> {
    let contents = match AnimatedFormat::of(ImageCodec::detect(bytes)?)? {
        AnimatedFormat::Gif => gif::contents(bytes),
        AnimatedFormat::Png => png::contents(bytes),
        AnimatedFormat::WebP => webp::contents(bytes),
    };
    contents.filter(|contents| contents.delays.len() > 1)
}

/// An animated image that is not decoded.
#[derive(Debug)]
pub(crate) struct Animation {
    bytes: Vec<u8>,
    format: AnimatedFormat,
    size: (u32, u32),
    limits: DecodeLimits,
}

impl Animation {
    pub(crate) fn new(
        bytes: Vec<u8>,
        contents: &Contents,
        limits: &DecodeLimits,
    ) -> Result<Self, PreprocessError> {
        let size = contents.size;
        // Frames are composited in RGBA.
        let pixels = u64::from(size.0) * u64::from(size.1);
        limits.check_size(size, pixels.saturating_mul(4))?;
        Ok(Self {
            bytes,
            format: contents.format,
            size,
            limits: *limits,
        })
    }

    /// Bytes of the file.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn reader(&self) -> Result<AnimationReader<'_>, PreprocessError> {
        let format = self.format.name();
        Ok(AnimationReader {
            composite: contain(format, || self.composite())?,
            format,
            read: 0,
        })
    }

    fn composite(&self) -> Result<Box<dyn Composite + '_>, PreprocessError> {
        let (bytes, limits) = (&self.bytes, &self.limits);
        Ok(match self.format {
            AnimatedFormat::Gif => Box::new(gif::GifFrames::new(bytes, self.size, limits)?),
            AnimatedFormat::Png => Box::new(png::PngFrames::new(bytes, limits)?),
            AnimatedFormat::WebP => Box::new(webp::WebpFrames::new(bytes, self.size)),
        })
    }
}

/// The frames of an animated image. One canvas is in memory.
pub(crate) struct AnimationReader<'a> {
    composite: Box<dyn Composite + 'a>,
    format: &'static str,
    read: usize,
}

impl AnimationReader<'_> {
    pub(crate) fn frame(&mut self, index: usize) -> Result<RgbImage, PreprocessError> {
        while self.read <= index {
            contain(self.format, || self.composite.advance())?;
            self.read += 1;
        }
        let canvas = self.composite.canvas().clone();
        into_rgb(DynamicImage::ImageRgba8(canvas), Alpha::OverWhite)
    }
}
