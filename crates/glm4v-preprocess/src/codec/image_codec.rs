use image::ImageFormat;

use super::foreign;

/// TIFF files of more than 4 GB, in both byte orders. The `image` crate does not know them.
const BIG_TIFF: [&[u8]; 2] = [b"II\x2b\0", b"MM\0\x2b"];

/// The formats of image files that are read. A file's first bytes decide, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageCodec {
    /// PNG, and animated PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP, and animated WebP.
    WebP,
    /// GIF, and animated GIF.
    Gif,
    /// Windows bitmaps.
    Bmp,
    /// TIFF. Only the first page is read.
    Tiff,
    /// AVIF, with the feature `avif`.
    Avif,
}

impl ImageCodec {
    /// Every format that this build reads, for help texts.
    #[cfg(feature = "avif")]
    pub const ALL: [Self; 7] = [
        Self::Png,
        Self::Jpeg,
        Self::WebP,
        Self::Gif,
        Self::Bmp,
        Self::Tiff,
        Self::Avif,
    ];
    /// Every format that this build reads, for help texts.
    #[cfg(not(feature = "avif"))]
    pub const ALL: [Self; 6] = [
        Self::Png,
        Self::Jpeg,
        Self::WebP,
        Self::Gif,
        Self::Bmp,
        Self::Tiff,
    ];

    /// The format of a file that starts with `bytes`.
    ///
    /// ```
    /// use glm4v_preprocess::ImageCodec;
    ///
    /// assert_eq!(ImageCodec::detect(b"GIF89a"), Some(ImageCodec::Gif));
    /// assert_eq!(ImageCodec::detect(b"hello"), None);
    /// ```
    #[must_use]
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        if BIG_TIFF.iter().any(|start| bytes.starts_with(start)) {
            return Some(Self::Tiff);
        }
        if cfg!(feature = "avif") && foreign::name(bytes) == Some(foreign::AVIF) {
            return Some(Self::Avif);
        }
        let format = image::guess_format(bytes).ok()?;
        Self::ALL.into_iter().find(|codec| codec.format() == format)
    }

    /// The format's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Avif => "AVIF",
        }
    }

    /// The usual extensions of the format's files, without a dot.
    #[must_use]
    pub fn extensions(self) -> &'static [&'static str] {
        self.format().extensions_str()
    }

    /// The names of all formats, separated by commas.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    pub(crate) const fn format(self) -> ImageFormat {
        match self {
            Self::Png => ImageFormat::Png,
            Self::Jpeg => ImageFormat::Jpeg,
            Self::WebP => ImageFormat::WebP,
            Self::Gif => ImageFormat::Gif,
            Self::Bmp => ImageFormat::Bmp,
            Self::Tiff => ImageFormat::Tiff,
            Self::Avif => ImageFormat::Avif,
        }
    }
}
