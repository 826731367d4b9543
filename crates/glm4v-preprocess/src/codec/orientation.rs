use image::metadata::Orientation;

/// The attribute in XMP. Its value follows as `="6"` or `>6<`.
const XMP_NAME: &[u8] = b"tiff:Orientation";
/// The prefix of EXIF in a JPEG, and in some files of other formats.
pub(crate) const EXIF_PREFIX: &[u8] = b"Exif\0\0";

/// The orientation in the EXIF metadata, or else in the XMP metadata: the order of Pillow's `exif_transpose`.
pub(crate) fn orientation(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    exif.map(|exif| exif.strip_prefix(EXIF_PREFIX).unwrap_or(exif))
        .and_then(Orientation::from_exif_chunk)
        .or_else(|| xmp.and_then(in_xmp))
        .unwrap_or(Orientation::NoTransforms)
}

fn in_xmp(xmp: &[u8]) -> Option<Orientation> {
    xmp.windows(XMP_NAME.len())
        .enumerate()
        .filter(|(_, window)| *window == XMP_NAME)
        .find_map(|(start, _)| {
            let value = &xmp[start + XMP_NAME.len()..];
            let value = value
                .strip_prefix(b"=\"")
                .or_else(|| value.strip_prefix(b">"))?;
            value.first().filter(|digit| digit.is_ascii_digit())
        })
        .and_then(|digit| Orientation::from_exif(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little-endian EXIF with one entry: tag 0x0112, one SHORT.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        bytes.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn exif_with_and_without_its_prefix() {
        assert_eq!(orientation(Some(&exif(6)), None), Orientation::Rotate90);
        let prefixed = [EXIF_PREFIX, &exif(3)].concat();
        assert_eq!(orientation(Some(&prefixed), None), Orientation::Rotate180);
    }

    #[test]
    fn xmp_in_both_spellings_where_exif_has_no_orientation() {
        let attribute: &[u8] = b"<rdf:Description tiff:Orientation=\"8\"/>";
        let element: &[u8] = b"<tiff:Orientation>2</tiff:Orientation>";
        assert_eq!(orientation(None, Some(attribute)), Orientation::Rotate270);
        assert_eq!(
            orientation(None, Some(element)),
            Orientation::FlipHorizontal
        );
        assert_eq!(
            orientation(Some(&exif(6)), Some(element)),
            Orientation::Rotate90
        );
    }

    #[test]
    fn invalid_metadata_is_ignored() {
        let xmp: &[u8] = b"tiff:Orientation tiff:Orientation=\"x\" tiff:Orientation=\"9\"";
        assert_eq!(
            orientation(Some(b"II*"), Some(xmp)),
            Orientation::NoTransforms
        );
    }
}
