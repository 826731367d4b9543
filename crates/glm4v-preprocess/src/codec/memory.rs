//! Upper bounds of the host memory that an image takes until it is resized.
//!
//! The bounds follow the code. Measured values are in docs/performance.md.

use super::stored::StoredImage;
use crate::resize::STRIP_LINES;

/// Bytes while an image is decoded and resized, without its file and without its patch rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodeMemory {
    /// The decoder and its result, until the image is complete.
    decoding: u64,
    /// The image, or strips of it, while it is resized.
    source: u64,
}

impl DecodeMemory {
    pub(crate) fn new(stored: &StoredImage) -> Self {
        let (width, height) = (stored.size.0 as usize, stored.size.1 as usize);
        let rgb = rgb_bytes((height, width));
        if stored.in_strips {
            // One strip is resized while the next one is decoded.
            let strips = 2 * rgb_bytes((height.min(STRIP_LINES), width));
            return Self::in_memory(stored.scratch_bytes + strips);
        }
        let converted = if stored.decoded_bytes == rgb { 0 } else { rgb };
        let rotated = u64::from(stored.is_rotated_by_a_quarter()) * 2 * rgb;
        let decoded = stored.decoded_bytes + stored.scratch_bytes.max(converted);
        Self {
            decoding: decoded.max(rotated),
            source: rgb,
        }
    }

    /// An image that is decoded: `source` bytes until it is resized.
    pub(crate) fn in_memory(source: u64) -> Self {
        Self {
            decoding: 0,
            source,
        }
    }

    /// Bytes until an image of `from` (height, width) pixels has the size `to`. The width is resized first.
    pub(crate) fn until_resized(self, from: (usize, usize), to: (usize, usize)) -> u64 {
        let narrowed = rgb_bytes((from.0, to.1));
        self.decoding.max(narrowed + self.source.max(rgb_bytes(to)))
    }
}

/// Bytes of an RGB image of (height, width) pixels.
pub(crate) fn rgb_bytes((height, width): (usize, usize)) -> u64 {
    3 * height as u64 * width as u64
}

#[cfg(test)]
mod tests {
    use image::metadata::Orientation;

    use super::*;

    fn png(size: (u32, u32)) -> StoredImage {
        StoredImage::rgb(size)
    }

    fn until_resized(stored: StoredImage, from: (usize, usize), to: (usize, usize)) -> u64 {
        DecodeMemory::new(&stored).until_resized(from, to)
    }

    #[test]
    fn both_passes_of_resizing_are_counted() {
        // (100, 60) → (100, 30) → (50, 30), and so on.
        let pixels = |to| until_resized(png((60, 100)), (100, 60), to) / 3;
        assert_eq!(pixels((50, 30)), 6000 + 3000);
        assert_eq!(pixels((400, 30)), 3000 + 12_000);
        assert!(pixels((50, 60)) >= 6000 + 3000);
        assert!(pixels((100, 60)) >= 6000);
    }

    #[test]
    fn an_image_in_strips_needs_no_more_than_two_of_them() {
        let jpeg = |height, coefficients| StoredImage {
            scratch_bytes: coefficients,
            in_strips: true,
            ..png((60, height))
        };
        // (400, 60) → (400, 30) → (50, 30).
        let strips = 3 * 2 * 128 * 60;
        let narrowed = 3 * 400 * 30;
        let baseline = until_resized(jpeg(400, 0), (400, 60), (50, 30));
        assert_eq!(baseline, strips + narrowed);
        let progressive = until_resized(jpeg(400, 6 * 24_000), (400, 60), (50, 30));
        assert_eq!(progressive, 6 * 24_000 + strips + narrowed);
        // For a low image, the second pass.
        let low = until_resized(jpeg(4, 0), (4, 60), (50, 30));
        assert_eq!(low, 3 * (4 * 30 + 50 * 30));
    }

    #[test]
    fn a_rotation_by_a_quarter_needs_a_second_image() {
        let rgb = 3 * 200;
        let bytes = |orientation, decoded_bytes| {
            let stored = StoredImage {
                orientation,
                decoded_bytes,
                ..png((20, 10))
            };
            // To a size so small that only decoding counts.
            until_resized(stored, (10, 20), (1, 1))
        };
        assert!(bytes(Orientation::NoTransforms, rgb) < 2 * rgb);
        assert!(bytes(Orientation::Rotate180, rgb) < 2 * rgb);
        assert_eq!(bytes(Orientation::Rotate90, rgb), 2 * rgb);
        assert_eq!(bytes(Orientation::NoTransforms, 800), 800 + rgb);
        assert_eq!(bytes(Orientation::Rotate90FlipH, 1600), 1600 + rgb);
    }
}
