//! EXIF and XMP, before the pixels and behind them. The last of several chunks counts, as in Pillow.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use flate2::read::ZlibDecoder;
use image::metadata::Orientation;

use super::chunks::{Chunk, chunks};
use crate::codec::orientation::orientation;

/// Longest compressed text after decompression, as in Pillow.
const MAX_TEXT: usize = 1 << 20;
/// Longest texts together, as in Pillow. Damaged and short compressed texts count less there.
const MAX_TEXTS: usize = 64 * MAX_TEXT;
/// A shorter compressed text counts as this one: the decoder clears its memory before each text.
const MIN_TEXT: usize = 32 << 10;
const XMP: &[u8] = b"XML:com.adobe.xmp";
/// EXIF as text, as ImageMagick writes it.
const RAW_EXIF: &[u8] = b"Raw profile type exif";
/// Lines of such a text before the digits: an empty one, the kind and the length.
const RAW_HEADER_LINES: usize = 3;

/// The orientation in EXIF and XMP. Longer texts than Pillow reads are refused.
pub(super) fn metadata_orientation(png: &[u8]) -> Result<Orientation, String> {
    let (mut exif, mut raw_exif, mut xmp) = (None, None, None);
    let mut total = 0;
    for chunk in still_chunks(png) {
        if chunk.kind == *b"eXIf" {
            exif = Some(chunk.data);
        } else if let Some(text) = Text::of(&chunk) {
            let found = match text.keyword {
                XMP => &mut xmp,
                RAW_EXIF => &mut raw_exif,
                // A text that is not needed costs nothing.
                _ => continue,
            };
            if let Some(text) = text.read(&mut total)? {
                *found = Some(text);
            }
        }
    }
    let raw_exif = raw_exif.and_then(|text| from_digits(&text));
    Ok(orientation(exif.or(raw_exif.as_deref()), xmp.as_deref()))
}

/// The chunks of the file, or of an animation up to its second frame.
fn still_chunks(png: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let (mut frames, mut first_has_control, mut has_pixels) = (None, false, false);
    chunks(png).take_while(move |chunk| {
        has_pixels |= chunk.is_pixels();
        match &chunk.kind {
            b"acTL" if !has_pixels => frames = frame_count(chunk.data, frames),
            b"fcTL" if has_pixels => return !is_animated(frames, first_has_control),
            b"fcTL" => first_has_control = true,
            _ => {}
        }
        chunk.kind != *b"IEND"
    })
}

/// The number of frames that an `acTL` chunk claims. Pillow takes a file with an impossible number, or with two of these
/// chunks, for a still.
fn frame_count(data: &[u8], before: Option<u32>) -> Option<u32> {
    let frames = u32::from_be_bytes(*data.first_chunk()?);
    let is_possible = (1..=1 << 31).contains(&frames);
    (before.is_none() && is_possible).then_some(frames)
}

/// Pixels before the first `fcTL` chunk are a frame more.
fn is_animated(frames: Option<u32>, first_has_control: bool) -> bool {
    frames.is_some_and(|frames| frames > 1 || !first_has_control)
}

/// A text, which may be compressed.
struct Text<'a> {
    keyword: &'a [u8],
    data: &'a [u8],
    is_compressed: bool,
}

impl<'a> Text<'a> {
    /// The text of a chunk of text.
    fn of(chunk: &Chunk<'a>) -> Option<Self> {
        let (keyword, rest) = split(chunk.data)?;
        let (data, is_compressed) = match &chunk.kind {
            b"tEXt" => (rest, false),
            // A method of compression, of which there is one.
            b"zTXt" => (rest.strip_prefix(&[0])?, true),
            b"iTXt" => {
                let (&[compressed, method], rest) = rest.split_first_chunk::<2>()?;
                let (_language, rest) = split(rest)?;
                let (_translated_keyword, text) = split(rest)?;
                match (compressed, method) {
                    (0, _) => (text, false),
                    (_, 0) => (text, true),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(Self {
            keyword,
            data,
            is_compressed,
        })
    }

    /// The text, or `None` if it is damaged. Adds its bytes to `total`.
    fn read(self, total: &mut usize) -> Result<Option<Cow<'a, [u8]>>, String> {
        let text = match self.is_compressed {
            true => inflate(self.data)?.map(Cow::Owned),
            false => Some(Cow::Borrowed(self.data)),
        };
        // How many bytes of a damaged text were inflated is unknown.
        let bytes = text.as_ref().map_or(MAX_TEXT, |text| text.len());
        *total += match self.is_compressed {
            true => bytes.max(MIN_TEXT),
            false => bytes,
        };
        match *total <= MAX_TEXTS {
            true => Ok(text),
            false => Err(format!(
                "too many or too long texts of EXIF and XMP: the limit is {MAX_TEXTS} bytes; remove the metadata"
            )),
        }
    }
}

/// The bytes before and behind the first zero.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let zero = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..zero], &data[zero + 1..]))
}

/// The inflated bytes, or `None` if they are damaged.
fn inflate(data: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut text = Vec::new();
    let mut decoder = ZlibDecoder::new(data).take(MAX_TEXT as u64 + 1);
    let read = decoder.read_to_end(&mut text);
    if text.len() > MAX_TEXT {
        return Err(format!(
            "a text of EXIF or XMP has more than {MAX_TEXT} bytes; remove the metadata"
        ));
    }
    // Pillow takes what there is of a text that is cut off.
    let is_usable = read.map_or_else(|error| error.kind() == ErrorKind::UnexpectedEof, |_| true);
    Ok(is_usable.then_some(text))
}

/// The bytes of hexadecimal digits.
fn from_digits(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.split(|&byte| byte == b'\n').skip(RAW_HEADER_LINES);
    let digits = lines.flatten().filter(|byte| !byte.is_ascii_whitespace());
    let digits = digits.map(|&byte| Some(char::from(byte).to_digit(16)? as u8));
    let digits = digits.collect::<Option<Vec<u8>>>()?;
    let (pairs, _) = digits.as_chunks::<2>();
    Some(pairs.iter().map(|[high, low]| 16 * high + low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const XMP_8: &[u8] = b"XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation=\"8\"/>";

    /// EXIF with one orientation.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        bytes.extend([orientation, 0, 0, 0]);
        bytes
    }

    fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        for (kind, data) in chunks {
            bytes.extend((data.len() as u32).to_be_bytes());
            bytes.extend([kind.as_slice(), data, &[0; 4]].concat());
        }
        bytes
    }

    fn found(chunks: &[(&[u8; 4], &[u8])]) -> Orientation {
        metadata_orientation(&png(chunks)).unwrap()
    }

    /// A compressed iTXt chunk with so many spaces.
    fn spaces(keyword: &str, count: usize) -> Vec<u8> {
        let mut data = [keyword.as_bytes(), b"\0\x01\0\0\0"].concat();
        let spaces = std::io::repeat(b' ').take(count as u64);
        let mut encoder = flate2::read::ZlibEncoder::new(spaces, flate2::Compression::best());
        encoder.read_to_end(&mut data).unwrap();
        data
    }

    /// Whether a file with so many equal iTXt chunks is read.
    fn is_read(count: usize, data: &[u8]) -> bool {
        metadata_orientation(&png(&vec![(b"iTXt", data); count])).is_ok()
    }

    #[test]
    fn texts_may_be_as_long_as_in_pillow() {
        let longest = spaces("XML:com.adobe.xmp", MAX_TEXT);
        assert!(is_read(64, &longest) && !is_read(65, &longest));
        assert!(!is_read(1, &spaces("XML:com.adobe.xmp", MAX_TEXT + 1)));
        let plain = [XMP_8, &vec![b' '; MAX_TEXT - XMP_8.len()]].concat();
        assert!(is_read(64, &plain) && !is_read(65, &plain));
    }

    #[test]
    fn other_texts_are_not_inflated() {
        let other = spaces("Comment", MAX_TEXT + 1);
        assert!(is_read(20_000, &other));
    }

    #[test]
    fn damaged_and_short_texts_have_a_limit() {
        let short = spaces("XML:com.adobe.xmp", 1);
        assert!(is_read(2048, &short) && !is_read(2049, &short));
        let mut damaged = short;
        *damaged.last_mut().unwrap() ^= 1;
        assert!(is_read(64, &damaged) && !is_read(65, &damaged));
    }

    #[test]
    fn metadata_behind_the_pixels_count() {
        let (upright, turned) = (exif(1), exif(6));
        assert_eq!(
            found(&[(b"eXIf", &upright), (b"IDAT", b""), (b"eXIf", &turned)]),
            Orientation::Rotate90
        );
        let xmp = [(b"IDAT", &b""[..]), (b"iTXt", XMP_8)];
        assert_eq!(found(&xmp), Orientation::Rotate270);
        let behind_the_end = [(b"IEND", &b""[..]), (b"iTXt", XMP_8)];
        assert_eq!(found(&behind_the_end), Orientation::NoTransforms);
        let zero = exif(0);
        let both = [(b"eXIf", zero.as_slice()), (b"iTXt", XMP_8)];
        assert_eq!(found(&both), Orientation::NoTransforms);
    }

    #[test]
    fn an_animation_is_read_to_its_second_frame() {
        let turned = exif(6);
        let second = [
            (b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0][..]),
            (b"fcTL", b""),
            (b"IDAT", b""),
            (b"fcTL", b""),
            (b"eXIf", &turned),
        ];
        assert_eq!(found(&second), Orientation::NoTransforms);
        assert_eq!(found(&second[1..]), Orientation::Rotate90);
        let mut no_frames = second;
        no_frames[0].1 = &[0; 8];
        assert_eq!(found(&no_frames), Orientation::Rotate90);
    }

    #[test]
    fn exif_as_digits_counts_where_there_is_no_other() {
        let digits: String = exif(3).iter().map(|byte| format!("{byte:02x}\n")).collect();
        let text = format!("Raw profile type exif\0\nexif\n  22\n{digits}");
        let raw = (b"tEXt", text.as_bytes());
        assert_eq!(found(&[raw]), Orientation::Rotate180);
        let turned = exif(6);
        assert_eq!(found(&[raw, (b"eXIf", &turned)]), Orientation::Rotate90);
    }

    #[test]
    fn damaged_texts_are_ignored() {
        for data in [
            &b""[..],
            b"XML:com.adobe.xmp",
            b"XML:com.adobe.xmp\0\x01\0\0\0not zlib",
        ] {
            assert_eq!(found(&[(b"iTXt", data)]), Orientation::NoTransforms);
            assert_eq!(found(&[(b"zTXt", data)]), Orientation::NoTransforms);
        }
    }
}
