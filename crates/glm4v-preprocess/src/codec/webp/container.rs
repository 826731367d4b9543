/// Bytes before the first chunk.
const FILE_HEADER: usize = 12;
/// The flag in the header of an animation.
const ANIMATED: u8 = 2;

/// The chunks of a WebP file: their names and data, up to the end or to a chunk that is cut off.
pub(crate) fn chunks(webp: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = webp.get(FILE_HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (data, after) = after.split_at_checked(length)?;
        // Chunks have an even length.
        rest = after.get(length % 2..).unwrap_or_default();
        Some((name, data))
    })
}

/// The frames of an animation, and (width, height) of its canvas. `None` for a file that is not animated.
pub(crate) fn animation(webp: &[u8]) -> Option<((u32, u32), impl Iterator<Item = &[u8]>)> {
    let mut chunks = chunks(webp);
    let (b"VP8X", header) = chunks.next()? else {
        return None;
    };
    if header.first()? & ANIMATED == 0 {
        return None;
    }
    let size = (number(header, 4)? + 1, number(header, 7)? + 1);
    let frames = chunks.filter(|(name, _)| *name == b"ANMF");
    Some((size, frames.map(|(_, data)| data)))
}

/// EXIF and XMP, which only files with an extended header have.
pub(super) fn metadata(webp: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let is_extended = chunks(webp).next().is_some_and(|(name, _)| name == b"VP8X");
    let first = |name: &[u8; 4]| {
        let mut chunks = chunks(webp).filter(|_| is_extended);
        chunks
            .find(|(found, _)| *found == name)
            .map(|(_, data)| data)
    };
    (first(b"EXIF"), first(b"XMP "))
}

/// Whether the pixels of a file have the size (width, height). A decoder allocates memory for the size in front of the pixels, and
/// compares it with that of the file later.
pub(super) fn has_pixels_of(webp: &[u8], size: (u32, u32)) -> bool {
    let side = |bits: u32| bits & 0x3fff;
    let lossy = number_after(webp, b"VP8 ", 6).map(|bits| (side(bits), side(bits >> 16)));
    let lossless =
        number_after(webp, b"VP8L", 1).map(|bits| (side(bits) + 1, side(bits >> 14) + 1));
    lossy.into_iter().chain(lossless).all(|found| found == size)
}

/// The number of four bytes at `offset` in the first chunk of a name. The chunk may be cut off behind it.
fn number_after(webp: &[u8], name: &[u8; 4], offset: usize) -> Option<u32> {
    let mut rest = webp.get(FILE_HEADER..)?;
    loop {
        let (found, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        if found == name {
            return Some(u32::from_le_bytes(*after.get(offset..)?.first_chunk()?));
        }
        let length = u32::from_le_bytes(*length) as usize;
        rest = after.get(length.checked_next_multiple_of(2)?..)?;
    }
}

/// A number of three bytes.
pub(crate) fn number(data: &[u8], offset: usize) -> Option<u32> {
    let &[low, middle, high] = data.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes([low, middle, high, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = vec![0; FILE_HEADER];
        for (name, data) in chunks {
            file.extend([&name[..], &(data.len() as u32).to_le_bytes(), data].concat());
            file.resize(file.len().next_multiple_of(2), 0);
        }
        file
    }

    #[test]
    fn the_first_metadata_of_an_extended_file_count() {
        let extended = (b"VP8X", &[0; 10][..]);
        let two = [extended, (b"XMP ", b"a"), (b"EXIF", b"b"), (b"EXIF", b"c")];
        assert_eq!(metadata(&file(&two)), (Some(&b"b"[..]), Some(&b"a"[..])));
        assert_eq!(metadata(&file(&two[1..])), (None, None));
        // A chunk that claims more than the file has takes no memory.
        let mut cut = file(&two[..2]);
        let claim = cut.len() - 6;
        cut[claim..claim + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(metadata(&cut), (None, None));
    }

    #[test]
    fn pixels_have_the_size_in_front_of_them() {
        let lossy = [0, 0, 0, 0x9d, 1, 0x2a, 3, 0, 2, 0x40];
        // 3 − 1 and 2 − 1, in 14 bits each.
        let lossless = [0x2f, 2, 0x40, 0, 0];
        for chunk in [(b"VP8 ", &lossy[..]), (b"VP8L", &lossless)] {
            let file = file(&[(b"ALPH", &[7; 3]), chunk, (b"VP8 ", &[0; 10])]);
            assert!(has_pixels_of(&file[..file.len() - 18], (3, 2)));
            assert!(!has_pixels_of(&file[..file.len() - 18], (3, 3)));
        }
        assert!(has_pixels_of(&file(&[(b"EXIF", &[0; 9])]), (1, 1)));
        // The chunk claims more bytes than the file has.
        let mut cut = file(&[(b"VP8 ", &lossy)]);
        cut[FILE_HEADER + 4] = 99;
        assert!(!has_pixels_of(&cut, (1, 1)) && has_pixels_of(&cut, (3, 2)));
    }
}
