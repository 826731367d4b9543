use std::borrow::Cow;
use std::path::{Path, PathBuf};

use image::DynamicImage;

use crate::PreprocessError;
use crate::codec::{
    DecodeMemory, DecodeOptions, ImageHeader, decode_image, read_header, rgb_bytes,
};

/// An image that is opened, but not decoded: a file in memory whose header is checked, or pixels.
#[derive(Debug)]
pub struct ImageSource {
    name: Option<PathBuf>,
    pixels: Pixels,
}

/// Where the pixels of an image are.
#[derive(Debug)]
pub(crate) enum Pixels {
    File {
        bytes: Vec<u8>,
        header: ImageHeader,
        options: DecodeOptions,
    },
    Memory(DynamicImage),
}

impl ImageSource {
    pub(super) fn from_file(
        name: Option<&Path>,
        bytes: Vec<u8>,
        options: &DecodeOptions,
    ) -> Result<Self, PreprocessError> {
        Ok(Self {
            name: name.map(Path::to_owned),
            pixels: Pixels::File {
                header: read_header(&bytes, options)?,
                bytes,
                options: *options,
            },
        })
    }

    pub(super) fn from_image(image: DynamicImage) -> Self {
        Self {
            name: None,
            pixels: Pixels::Memory(image),
        }
    }

    /// The file; `None` for an image in memory that has no name.
    #[must_use]
    pub fn name(&self) -> Option<&Path> {
        self.name.as_deref()
    }

    /// (height, width) in pixels, after rotation.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        match &self.pixels {
            Pixels::File { header, .. } => header.size,
            Pixels::Memory(image) => (image.height() as usize, image.width() as usize),
        }
    }

    /// The image: a file as [`crate::open_image`] reads it, or the pixels as they are.
    ///
    /// # Errors
    /// Those of [`decode_image`], for damage that the header does not show.
    pub fn decode(&self) -> Result<Cow<'_, DynamicImage>, PreprocessError> {
        match &self.pixels {
            Pixels::File { bytes, options, .. } => decode_image(bytes, options).map(Cow::Owned),
            Pixels::Memory(image) => Ok(Cow::Borrowed(image)),
        }
        .map_err(|error| error.named(self.name()))
    }

    pub(crate) fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        match &self.pixels {
            Pixels::File { bytes, .. } => bytes.len() as u64,
            Pixels::Memory(image) => image.as_bytes().len() as u64,
        }
    }

    /// Upper bound of the memory until the image is resized to (height, width), with what it keeps in memory.
    pub(crate) fn decode_bytes(&self, to: (usize, usize)) -> u64 {
        match &self.pixels {
            Pixels::File { bytes, header, .. } => {
                bytes.len() as u64 + header.memory.until_resized(header.size, to)
            }
            // The image and its copy in RGB
            Pixels::Memory(_) => {
                DecodeMemory::in_memory(self.stored_bytes() + rgb_bytes(self.size()))
                    .until_resized(self.size(), to)
            }
        }
    }
}
