use image::metadata::Orientation;

/// An image as its file stores it: what a decoder tells before it decodes the pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredImage {
    /// (width, height), before the orientation is applied.
    pub(crate) size: (u32, u32),
    /// Bytes of the pixels as they leave the decoder.
    pub(crate) decoded_bytes: u64,
    /// Bytes that the decoder needs beside its result.
    pub(crate) scratch_bytes: u64,
    pub(crate) orientation: Orientation,
    /// Whether the image can be resized strip by strip while it is decoded.
    pub(crate) in_strips: bool,
}

impl StoredImage {
    /// An upright image of three bytes a pixel, from a decoder that needs no memory beside its result.
    pub(crate) fn rgb(size: (u32, u32)) -> Self {
        Self {
            size,
            decoded_bytes: area(size).saturating_mul(3),
            scratch_bytes: 0,
            orientation: Orientation::NoTransforms,
            in_strips: false,
        }
    }

    pub(crate) fn area(&self) -> u64 {
        area(self.size)
    }

    /// Whether the orientation rotates by a quarter, which needs a second image.
    pub(crate) fn is_rotated_by_a_quarter(&self) -> bool {
        match self.orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => true,
            Orientation::NoTransforms
            | Orientation::Rotate180
            | Orientation::FlipHorizontal
            | Orientation::FlipVertical => false,
        }
    }
}

fn area((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}
