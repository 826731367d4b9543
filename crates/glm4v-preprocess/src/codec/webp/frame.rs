use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::container::{has_pixels_of, number};
use crate::PreprocessError;
use crate::codec::ImageCodec;

/// Bytes of a frame's header, before its pixels.
const HEADER: usize = 16;
/// Flags of a frame.
const REPLACES: u8 = 2;
const IS_CLEARED: u8 = 1;
/// The flag of an image with an alpha channel.
const ALPHA: u8 = 0x10;

/// A frame of an animated WebP. It is a part of the canvas.
pub(crate) struct WebpFrame<'a> {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Whether it replaces what is under it, instead of being laid over it.
    pub(crate) replaces: bool,
    /// Whether its area is cleared before the next frame.
    pub(crate) is_cleared: bool,
    pixels: &'a [u8],
}

impl<'a> WebpFrame<'a> {
    /// A frame from the data of its chunk. It must lie on the `canvas` (width, height).
    pub(crate) fn read(data: &'a [u8], canvas: (u32, u32)) -> Result<Self, PreprocessError> {
        let frame = Self::parse(data).ok_or_else(|| failed("a frame without a size"))?;
        if frame.left + frame.width > canvas.0 || frame.top + frame.height > canvas.1 {
            return Err(failed("a frame reaches beyond the canvas"));
        }
        Ok(frame)
    }

    fn parse(data: &'a [u8]) -> Option<Self> {
        let (header, pixels) = data.split_at_checked(HEADER)?;
        let flags = header[HEADER - 1];
        Some(Self {
            left: 2 * number(header, 0)?,
            top: 2 * number(header, 3)?,
            width: number(header, 6)? + 1,
            height: number(header, 9)? + 1,
            replaces: flags & REPLACES != 0,
            is_cleared: flags & IS_CLEARED != 0,
            pixels,
        })
    }

    /// The pixels. The `image` crate decodes each frame as a separate image. Its compositing (image-webp 0.2.4) is not used: it
    /// never clears a frame that must be cleared, and darkens pixels that are half transparent.
    pub(crate) fn decode(&self) -> Result<DynamicImage, PreprocessError> {
        let file = self.image_file();
        let decoder = ImageReader::with_format(Cursor::new(&file), ImageFormat::WebP);
        let decoder = decoder.into_decoder().map_err(failed)?;
        // The decoder allocates memory for the size in front of the pixels.
        let size = (self.width, self.height);
        if decoder.dimensions() != size || !has_pixels_of(&file, size) {
            return Err(failed("a frame does not have the size in its header"));
        }
        DynamicImage::from_decoder(decoder).map_err(failed)
    }

    /// The pixels as a file.
    fn image_file(&self) -> Vec<u8> {
        let mut header = b"VP8X\x0a\0\0\0".to_vec();
        header.extend([ALPHA, 0, 0, 0]);
        for side in [self.width - 1, self.height - 1] {
            header.extend(&side.to_le_bytes()[..3]);
        }
        if !self.pixels.starts_with(b"ALPH") {
            header.clear();
        }
        let length = (4 + header.len() + self.pixels.len()) as u32;
        [
            b"RIFF",
            &length.to_le_bytes()[..],
            b"WEBP",
            &header,
            self.pixels,
        ]
        .concat()
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PreprocessError {
    PreprocessError::decode(ImageCodec::WebP.name(), error)
}
