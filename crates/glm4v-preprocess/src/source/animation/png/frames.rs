use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{AnimationDecoder, Frames, ImageError, Limits, RgbaImage};

use super::super::canvas::Composite;
use crate::PreprocessError;

const NAME: &str = "PNG";

/// The frames of an animated PNG, which `image` composites.
pub(crate) struct PngFrames<'a> {
    frames: Frames<'a>,
    canvas: RgbaImage,
}

impl<'a> PngFrames<'a> {
    pub(crate) fn new(bytes: &'a [u8], max_bytes: u64) -> Result<Self, PreprocessError> {
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(max_bytes);
        let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits);
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
        let frame = frame.ok_or_else(|| PreprocessError::decode(NAME, "no frame"))?;
        self.canvas = frame.map_err(failed)?.into_buffer();
        Ok(())
    }

    fn canvas(&self) -> &RgbaImage {
        &self.canvas
    }
}

fn failed(error: ImageError) -> PreprocessError {
    PreprocessError::decode(NAME, error)
}
