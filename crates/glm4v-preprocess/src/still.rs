use std::path::{Path, PathBuf};

use image::{DynamicImage, RgbImage};

use crate::held::Held;
use crate::open::{Header, decode, decode_resized, header};
use crate::{OpenOptions, PreprocessError};

/// A picture file in memory of which the header is read: to a picture what [`crate::ClipSource`] is to a clip.
#[derive(Debug)]
pub struct StillSource {
    path: PathBuf,
    bytes: Vec<u8>,
    options: OpenOptions,
    header: Header,
}

impl StillSource {
    pub(crate) fn new(
        path: &Path,
        bytes: Vec<u8>,
        options: &OpenOptions,
    ) -> Result<Self, PreprocessError> {
        Ok(Self {
            header: header(&bytes, options)?,
            path: path.to_owned(),
            bytes,
            options: options.clone(),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// (height, width) in pixels, once it is turned.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.header.size
    }

    /// What is held while the picture becomes rows of one in another size, (height, width).
    #[must_use]
    pub fn held(&self, to: (usize, usize)) -> Held {
        self.header.decoding.resizing(self.header.size, to)
    }

    /// The picture, as [`crate::open`] reads it.
    ///
    /// # Errors
    /// [`PreprocessError::File`] for damage that the header does not show.
    pub fn decode(&self) -> Result<DynamicImage, PreprocessError> {
        decode(&self.bytes, &self.options).map_err(|error| error.in_file(&self.path))
    }

    /// The picture in another size.
    pub(crate) fn resized(&self, height: u32, width: u32) -> Result<RgbImage, PreprocessError> {
        decode_resized(&self.bytes, &self.options, (height, width))
            .map_err(|error| error.in_file(&self.path))
    }
}
