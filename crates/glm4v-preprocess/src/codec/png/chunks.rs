use std::borrow::Cow;

const SIGNATURE: usize = 8;
/// The chunks whose names are in upper case: a decoder refuses others.
const CRITICAL: [&[u8; 4]; 4] = [b"IHDR", b"PLTE", b"IDAT", b"IEND"];

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

    fn is_known(&self) -> bool {
        self.kind[0].is_ascii_lowercase() || CRITICAL.contains(&&self.kind)
    }
}

/// The file as Pillow reads it: it skips unknown chunks, and does not need the bytes behind the pixels.
pub(super) fn readable(png: &[u8]) -> Cow<'_, [u8]> {
    let is_end = |chunk: &Chunk| chunk.kind == *b"IEND";
    if chunks(png).any(|chunk| is_end(&chunk)) && chunks(png).all(|chunk| chunk.is_known()) {
        return png.into();
    }
    let mut file = png[..SIGNATURE.min(png.len())].to_vec();
    let mut add = |kind: [u8; 4], data: &[u8]| {
        // A chunk in memory has fewer bytes than its length can tell.
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(kind);
        file.extend(data);
        file.extend(crc32fast::hash(&[&kind[..], data].concat()).to_be_bytes());
    };
    let mut whole = SIGNATURE;
    for chunk in chunks(png).take_while(|chunk| !is_end(chunk)) {
        whole += chunk.named.len() + 8;
        if chunk.is_known() {
            add(chunk.kind, chunk.data);
        }
    }
    // Pixels can be complete although their chunk is cut off.
    if let Some([a, b, c, d, b'I', b'D', b'A', b'T', data @ ..]) = png.get(whole..) {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        add(*b"IDAT", &data[..length.min(data.len())]);
    }
    add(*b"IEND", &[]);
    file.into()
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
