use std::path::{Path, PathBuf};

use image::{DynamicImage, RgbImage};

use crate::open::{decode, decode_resized, size};
use crate::{OpenOptions, PreprocessError};

/// A picture file in memory of which the header is read: to a picture what [`crate::ClipSource`] is to a clip.
#[derive(Debug)]
pub struct StillSource {
    path: PathBuf,
    bytes: Vec<u8>,
    options: OpenOptions,
    size: (usize, usize),
}

impl StillSource {
    pub(crate) fn new(
        path: &Path,
        bytes: Vec<u8>,
        options: &OpenOptions,
    ) -> Result<Self, PreprocessError> {
        Ok(Self {
            size: size(&bytes, options)?,
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
        self.size
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
