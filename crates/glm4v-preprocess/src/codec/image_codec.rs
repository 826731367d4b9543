use image::ImageFormat;

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
}

impl ImageCodec {
    /// Every format, for help texts.
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
        }
    }
}
