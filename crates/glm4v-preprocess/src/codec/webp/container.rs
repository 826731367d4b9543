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

/// A number of three bytes.
pub(crate) fn number(data: &[u8], offset: usize) -> Option<u32> {
    let &[low, middle, high] = data.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes([low, middle, high, 0]))
}
