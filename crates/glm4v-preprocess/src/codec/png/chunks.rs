const SIGNATURE: usize = 8;

/// A chunk of a PNG file.
pub(super) struct Chunk<'a> {
    pub(super) kind: [u8; 4],
    pub(super) data: &'a [u8],
    /// The kind and the data.
    named: &'a [u8],
    checksum: u32,
}

impl Chunk<'_> {
    /// Whether the checksum behind the data is theirs.
    pub(super) fn is_intact(&self) -> bool {
        self.checksum == crc32fast::hash(self.named)
    }

    pub(super) fn is_pixels(&self) -> bool {
        self.kind == *b"IDAT"
    }
}

/// The chunks of a file, up to its end or to a chunk that is cut off.
pub(super) fn chunks(png: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = png.get(SIGNATURE..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, named) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (named, after) = named.split_at_checked(length.checked_add(4)?)?;
        let (kind, data) = named.split_first_chunk::<4>()?;
        let (checksum, after) = after.split_first_chunk::<4>()?;
        rest = after;
        Some(Chunk {
            kind: *kind,
            data,
            named,
            checksum: u32::from_be_bytes(*checksum),
        })
    })
}

/// The chunks before the pixels.
pub(super) fn before_pixels(png: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    chunks(png).take_while(|chunk| !chunk.is_pixels())
}

/// The data of the first chunk of a kind before the pixels.
pub(super) fn find<'a>(png: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    let mut chunks = before_pixels(png);
    chunks
        .find(|chunk| chunk.kind == *kind)
        .map(|chunk| chunk.data)
}
