use image::metadata::Orientation;

use super::image_codec::ImageCodec;
use super::memory::DecodeMemory;
use super::stored::StoredImage;

/// The header of an image file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageHeader {
    pub(crate) codec: ImageCodec,
    /// (height, width) of the decoded image, after the orientation is applied.
    pub(crate) size: (usize, usize),
    pub(crate) memory: DecodeMemory,
}

impl ImageHeader {
    pub(super) fn new(codec: ImageCodec, mut stored: StoredImage, apply_exif: bool) -> Self {
        if !apply_exif {
            stored.orientation = Orientation::NoTransforms;
        }
        let (width, height) = (stored.size.0 as usize, stored.size.1 as usize);
        let size = match stored.is_rotated_by_a_quarter() {
            true => (width, height),
            false => (height, width),
        };
        Self {
            codec,
            size,
            memory: DecodeMemory::new(&stored),
        }
    }
}
