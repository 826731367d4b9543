use crate::PreprocessError;

/// How image files are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Whether the orientation in the metadata (EXIF or XMP) is applied.
    pub apply_exif: bool,
    /// Files beyond these limits are refused.
    pub limits: DecodeLimits,
}

impl Default for DecodeOptions {
    /// Applies the orientation, with the default limits.
    fn default() -> Self {
        Self {
            apply_exif: true,
            limits: DecodeLimits::default(),
        }
    }
}

/// Limits that protect the host's memory. They are checked from the header, before anything of the image's size is
/// allocated.
///
/// They refuse a file. How large an image may be after the resize is part of the configuration
/// ([`glm4v_config::SizeLimits`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most pixels of an image, or of one frame of a video.
    pub max_decoded_pixels: u64,
    /// Most bytes of an image after decoding, in the file's own pixel type.
    pub max_decoded_bytes: u64,
    /// Most bytes of an image file. Video files have no limit, because only parts of them are read.
    pub max_file_bytes: u64,
}

impl Default for DecodeLimits {
    /// 178,956,970 pixels, which is Pillow's limit, and 2 GiB each for the decoded image and for the file.
    fn default() -> Self {
        Self {
            max_decoded_pixels: 178_956_970,
            max_decoded_bytes: 1 << 31,
            max_file_bytes: 1 << 31,
        }
    }
}

impl DecodeLimits {
    pub(crate) fn check_file(&self, bytes: usize) -> Result<(), PreprocessError> {
        if bytes as u64 <= self.max_file_bytes {
            return Ok(());
        }
        Err(PreprocessError::TooLarge {
            unit: "bytes",
            limit: self.max_file_bytes,
            found: "the file".into(),
        })
    }

    /// Checks an image of `width` × `height` pixels that takes `bytes` bytes after decoding.
    pub(crate) fn check_size(
        &self,
        (width, height): (u32, u32),
        bytes: u64,
    ) -> Result<(), PreprocessError> {
        let found = format!("an image of {width}×{height} pixels");
        if width == 0 || height == 0 {
            return Err(PreprocessError::size("sides of at least 1 pixel", found));
        }
        let (unit, limit) = if u64::from(width) * u64::from(height) > self.max_decoded_pixels {
            ("pixels", self.max_decoded_pixels)
        } else if bytes > self.max_decoded_bytes {
            ("decoded bytes", self.max_decoded_bytes)
        } else {
            return Ok(());
        };
        Err(PreprocessError::TooLarge { unit, limit, found })
    }
}
