use super::{MAGIC_BYTES, container};
use crate::codec::{ImageCodec, foreign};

/// What a file contains, by its first bytes. Nothing is decoded.
///
/// ```
/// use glm4v_preprocess::MediaKind;
///
/// assert_eq!(MediaKind::detect(b"GIF89a"), Some(MediaKind::Image));
/// assert_eq!(MediaKind::detect(b"\x1a\x45\xdf\xa3"), Some(MediaKind::Video));
/// assert_eq!(MediaKind::detect(b"hello"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// An image of a format of [`ImageCodec`]. If it is animated, it is read as a video.
    Image,
    /// A video file.
    Video,
    /// An image of a format that is recognised, but not read. Opening it gives
    /// [`PreprocessError::ForeignFormat`](crate::PreprocessError::ForeignFormat).
    UnsupportedImage,
}

impl MediaKind {
    /// The number of bytes at the start of a file that [`MediaKind::detect`] looks at.
    pub const START_BYTES: usize = MAGIC_BYTES;

    /// The kind of a file that starts with `start`. `None` for a file that [`crate::Source::open`] does not recognise.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        let start = &start[..start.len().min(Self::START_BYTES)];
        if container::demuxer(start).is_some() {
            Some(Self::Video)
        } else if ImageCodec::detect(start).is_some() {
            Some(Self::Image)
        } else {
            foreign::name(start).map(|_| Self::UnsupportedImage)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        for (start, kind) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Some(MediaKind::Image)),
            (b"\xff\xd8\xff\xe0", Some(MediaKind::Image)),
            (b"\0\0\0\x20ftypisom", Some(MediaKind::Video)),
            (
                b"\0\0\0\x1cftypheic\0\0\0\0mif1heic",
                Some(MediaKind::UnsupportedImage),
            ),
            (b"\xff\x0a\x12", Some(MediaKind::UnsupportedImage)),
            (b"{\"id\": 5}", None),
            (b"", None),
        ] {
            assert_eq!(MediaKind::detect(start), kind, "{}", start.escape_ascii());
        }
    }
}
