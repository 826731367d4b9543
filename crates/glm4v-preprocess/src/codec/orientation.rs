use image::metadata::Orientation;

use super::directory::{Directory, has_header};

/// The attribute in XMP. Its value follows as `="6"` or `>6<`.
const XMP_NAME: &[u8] = b"tiff:Orientation";
/// The tag in EXIF, and in a TIFF file.
const TAG: u16 = 274;
/// The prefix of EXIF in a JPEG, and in some files of other formats. Some files have it twice.
pub(super) const EXIF_PREFIX: &[u8] = b"Exif\0\0";

/// The orientation in the EXIF metadata, or else in the XMP metadata: the order of Pillow's `exif_transpose`.
pub(super) fn orientation(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    let exif = exif.map(|exif| without_prefix(without_prefix(exif)));
    // Pillow does not ask XMP where EXIF is something else.
    let is_exif = |exif: &[u8]| exif.is_empty() || has_header(exif);
    let xmp = xmp.filter(|_| exif.is_none_or(is_exif));
    tagged_orientation(exif.and_then(Directory::read).as_ref(), xmp)
}

/// [`orientation`] of a directory. XMP is not asked if the tag is there, whatever its value: 0 means upright.
pub(super) fn tagged_orientation(directory: Option<&Directory>, xmp: Option<&[u8]>) -> Orientation {
    let directory = directory.filter(|directory| directory.contains(TAG));
    match directory {
        Some(directory) => directory.number(TAG).and_then(of_number),
        None => xmp.and_then(in_xmp).and_then(Orientation::from_exif),
    }
    .unwrap_or(Orientation::NoTransforms)
}

/// The orientation of a file whose own transforms leave the image upright. Pillow lets them go before the value in
/// EXIF.
#[cfg(feature = "avif")]
pub(super) fn orientation_beside_transforms(
    exif: Option<&[u8]>,
    xmp: Option<&[u8]>,
) -> Orientation {
    let directory = exif.map(without_prefix).and_then(Directory::read);
    match directory.filter(|directory| directory.contains(TAG)) {
        Some(_) => Orientation::NoTransforms,
        None => tagged_orientation(None, xmp),
    }
}

fn without_prefix(exif: &[u8]) -> &[u8] {
    exif.strip_prefix(EXIF_PREFIX).unwrap_or(exif)
}

fn of_number(number: f64) -> Option<Orientation> {
    (1..=8)
        .find(|&value| f64::from(value) == number)
        .and_then(Orientation::from_exif)
}

fn in_xmp(xmp: &[u8]) -> Option<u8> {
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
        .map(|digit| digit - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little-endian EXIF with one entry: the tag, and one value of a type.
    fn exif(kind: u8, value: u8) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01".to_vec();
        bytes.extend([kind, 0, 1, 0, 0, 0, value, 0, 0, 0]);
        bytes
    }

    #[test]
    fn exif_with_and_without_its_prefix() {
        assert_eq!(orientation(Some(&exif(3, 6)), None), Orientation::Rotate90);
        let prefixed = [EXIF_PREFIX, &exif(3, 3)].concat();
        assert_eq!(orientation(Some(&prefixed), None), Orientation::Rotate180);
        let twice = [EXIF_PREFIX, &prefixed].concat();
        assert_eq!(orientation(Some(&twice), None), Orientation::Rotate180);
    }

    #[test]
    fn every_integer_type_and_no_byte() {
        for kind in [3, 4, 6, 8, 9, 13] {
            let found = orientation(Some(&exif(kind, 8)), None);
            assert_eq!(found, Orientation::Rotate270, "type {kind}");
        }
        for kind in [1, 2, 7] {
            let found = orientation(Some(&exif(kind, 8)), None);
            assert_eq!(found, Orientation::NoTransforms, "type {kind}");
        }
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
            orientation(Some(&exif(3, 6)), Some(element)),
            Orientation::Rotate90
        );
        for value in [0, 9] {
            assert_eq!(
                orientation(Some(&exif(3, value)), Some(element)),
                Orientation::NoTransforms
            );
        }
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
