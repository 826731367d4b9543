//! EXIF and XMP, before the pixels and behind them. The last of several chunks counts, as in Pillow.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use image::metadata::Orientation;

use super::chunks::{Chunk, chunks};
use crate::codec::orientation::orientation;

/// Longest text after decompression, as in Pillow.
const MAX_TEXT: u64 = 1 << 20;
const XMP: &[u8] = b"XML:com.adobe.xmp";
/// EXIF as text, as ImageMagick writes it.
const RAW_EXIF: &[u8] = b"Raw profile type exif";
/// Lines of such a text before the digits: an empty one, the kind and the length.
const RAW_HEADER_LINES: usize = 3;

pub(super) fn metadata_orientation(png: &[u8]) -> Orientation {
    let (mut exif, mut raw_exif, mut xmp) = (None, None, None);
    for chunk in still_chunks(png) {
        if chunk.kind == *b"eXIf" {
            exif = Some(chunk.data);
        } else if let Some((keyword, text)) = text(&chunk) {
            match keyword {
                XMP => xmp = Some(text),
                RAW_EXIF => raw_exif = from_digits(&text),
                _ => {}
            }
        }
    }
    orientation(exif.or(raw_exif.as_deref()), xmp.as_deref())
}

/// The chunks of the file, or of an animation up to its second frame.
fn still_chunks(png: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let (mut is_animated, mut has_pixels) = (false, false);
    chunks(png).take_while(move |chunk| {
        is_animated |= chunk.kind == *b"acTL";
        has_pixels |= chunk.is_pixels();
        let second_frame = is_animated && has_pixels && chunk.kind == *b"fcTL";
        chunk.kind != *b"IEND" && !second_frame
    })
}

/// The keyword and the text of a chunk of text.
fn text<'a>(chunk: &Chunk<'a>) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
    let (keyword, rest) = split(chunk.data)?;
    let text = match &chunk.kind {
        b"tEXt" => Cow::Borrowed(rest),
        // A method of compression, of which there is one.
        b"zTXt" => Cow::Owned(inflate(rest.strip_prefix(&[0])?)?),
        b"iTXt" => {
            let (&[compressed, method], rest) = rest.split_first_chunk::<2>()?;
            let (_language, rest) = split(rest)?;
            let (_translated_keyword, text) = split(rest)?;
            match (compressed, method) {
                (0, _) => Cow::Borrowed(text),
                (_, 0) => Cow::Owned(inflate(text)?),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some((keyword, text))
}

/// The bytes before and behind the first zero.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let zero = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..zero], &data[zero + 1..]))
}

fn inflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut decoder = ZlibDecoder::new(data).take(MAX_TEXT + 1);
    decoder.read_to_end(&mut text).ok()?;
    (text.len() as u64 <= MAX_TEXT).then_some(text)
}

/// The bytes of hexadecimal digits.
fn from_digits(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.split(|&byte| byte == b'\n').skip(RAW_HEADER_LINES);
    let digits = lines.flatten().filter(|byte| !byte.is_ascii_whitespace());
    let digits = digits.map(|&byte| char::from(byte).to_digit(16));
    let digits = digits.collect::<Option<Vec<u32>>>()?;
    let (pairs, _) = digits.as_chunks::<2>();
    Some(
        pairs
            .iter()
            .map(|[high, low]| (16 * high + low) as u8)
            .collect(),
    )
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
        metadata_orientation(&png(chunks))
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
            (b"acTL", &[0; 8][..]),
            (b"fcTL", b""),
            (b"IDAT", b""),
            (b"fcTL", b""),
            (b"eXIf", &turned),
        ];
        assert_eq!(found(&second), Orientation::NoTransforms);
        assert_eq!(found(&second[1..]), Orientation::Rotate90);
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
