//! Image formats that are recognised, but not read.

/// Brands in the first box of an ISO base media file with images, and the formats that they name.
const BRANDS: [(&[u8; 4], &str); 10] = [
    (b"avif", AVIF),
    (b"avis", AVIF),
    (b"heic", "HEIC"),
    (b"heix", "HEIC"),
    (b"heim", "HEIC"),
    (b"heis", "HEIC"),
    (b"hevc", "HEIC"),
    (b"hevx", "HEIC"),
    (b"mif1", "HEIF"),
    (b"msf1", "HEIF"),
];
pub(super) const AVIF: &str = "AVIF";
const JPEG_XL: &str = "JPEG XL";
/// JPEG XL as a bare code stream, and in a container.
const JPEG_XL_STARTS: [&[u8]; 2] = [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"];

/// The name of a format that is recognised, but not read.
pub(crate) fn name(bytes: &[u8]) -> Option<&'static str> {
    if JPEG_XL_STARTS.iter().any(|start| bytes.starts_with(start)) {
        return Some(JPEG_XL);
    }
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let brands = rest.strip_prefix(b"ftyp")?;
    // The main brand, a version, and further brands up to the end of the box.
    let end = u32::from_be_bytes(*length).saturating_sub(8) as usize;
    let (brands, _) = brands[..end.min(brands.len())].as_chunks::<4>();
    let main = *brands.first()?;
    let of = |brand: [u8; 4]| BRANDS.iter().find(|(known, _)| **known == brand);
    of(main)?;
    // "mif1" and "msf1" say little: a further brand can tell more.
    let mut known = brands.iter().filter_map(|&brand| of(brand));
    let name = known.clone().find(|(_, name)| *name != "HEIF");
    name.or_else(|| known.next()).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_named_by_their_content() {
        for (start, expected) in [
            (&b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"[..], "HEIC"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
            (b"\0\0\0\x14ftypmif1\0\0\0\0mif1avif", "HEIF"),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
            (b"\xff\x0a\x12", "JPEG XL"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        ] {
            assert_eq!(name(start), Some(expected), "{}", start.escape_ascii());
        }
    }

    #[test]
    fn videos_and_noise_have_no_name() {
        for start in [
            &b"\0\0\0\x1cftypisom\0\0\0\0mif1"[..],
            b"",
            b"ftyp",
            b"\xff\xd8",
        ] {
            assert_eq!(name(start), None);
        }
    }
}
