use super::{audio, container};
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
    pub const START_BYTES: usize = 8192;

    /// The kind of a file that starts with `start`. `None` for a file that [`crate::Source::open`] does not recognise.
    ///
    /// It serves to find images and videos among other files, so it is stricter than [`crate::Source::open`]: it is also `None`
    /// for a text that only begins like a bitmap or a video, and for a video format that contains only sound.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        let start = &start[..start.len().min(Self::START_BYTES)];
        if let Some(demuxer) = container::demuxer(start) {
            let is_other = demuxer == "mov" && is_text(start) || audio::is_audio(demuxer, start);
            return (!is_other).then_some(Self::Video);
        }
        match ImageCodec::detect(start) {
            Some(codec) => {
                let is_image = codec != ImageCodec::Bmp || is_bitmap(start);
                is_image.then_some(Self::Image)
            }
            None => foreign::name(start).map(|_| Self::UnsupportedImage),
        }
    }
}

/// Whether a file with the name of an MP4 box at its fifth byte is a text: "The free …". The first four bytes are the size
/// of the box, and only a box of media data can be so large.
fn is_text(start: &[u8]) -> bool {
    let [first, ..] = start else {
        return false;
    };
    (b' '..0x7f).contains(first) && start.get(4..8) != Some(b"mdat")
}

/// Whether a file that starts with BM has the header of a bitmap. Its second part begins with its size.
fn is_bitmap(start: &[u8]) -> bool {
    let size = start.get(14..).and_then(|rest| rest.first_chunk::<4>());
    size.is_some_and(|size| BITMAP_HEADERS.contains(&u32::from_le_bytes(*size)))
}

/// The sizes of the second part of a bitmap's header, one for each version of the format.
const BITMAP_HEADERS: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];

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
            (
                b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0",
                Some(MediaKind::Image),
            ),
            (b"BMW is a maker of cars.", None),
            (b"BM", None),
            (b"The free encyclopedia", None),
            (b"\0\0\0\x08free\0\0\0\x08mdat", Some(MediaKind::Video)),
            (b"\x7f\xff\xff\xffmdat", Some(MediaKind::Video)),
            (b"{\"id\": 5}", None),
            (b"", None),
        ] {
            assert_eq!(MediaKind::detect(start), kind, "{}", start.escape_ascii());
        }
    }
}
