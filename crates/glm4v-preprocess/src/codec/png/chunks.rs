use std::borrow::Cow;

const SIGNATURE: usize = 8;
/// The chunks whose names are in upper case: a decoder refuses others.
const CRITICAL: [&[u8; 4]; 4] = [b"IHDR", b"PLTE", b"IDAT", b"IEND"];

/// Bytes of the header, and places in it.
const HEADER: usize = 13;
const COLOR_TYPE: usize = 9;
const COMPRESSION_METHOD: usize = 10;
const INTERLACE_METHOD: usize = 12;
/// The colour type of an image with a palette.
const INDEXED: u8 = 3;

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

    fn is_palette(&self) -> bool {
        self.kind == *b"PLTE"
    }

    /// Whether a decoder accepts the data of a header or a palette, which Pillow checks less.
    fn is_plain(&self) -> bool {
        match &self.kind {
            b"IHDR" => *self.data == plain_header(self.data),
            b"PLTE" => {
                !self.data.is_empty()
                    && self.data.len().is_multiple_of(3)
                    && self.data.len() <= 3 * 256
            }
            _ => true,
        }
    }

    fn is_known(&self) -> bool {
        self.kind[0].is_ascii_lowercase() || CRITICAL.contains(&&self.kind)
    }
}

/// The file as Pillow reads it: it skips unknown chunks and useless palettes, and does not need the bytes behind the pixels.
pub(super) fn readable(png: &[u8]) -> Cow<'_, [u8]> {
    let is_end = |chunk: &Chunk| chunk.kind == *b"IEND";
    let palettes = before_pixels(png).filter(Chunk::is_palette).count();
    let is_plain = chunks(png).all(|chunk| chunk.is_known() && chunk.is_plain());
    if is_plain && palettes < 2 && chunks(png).any(|chunk| is_end(&chunk)) {
        return png.into();
    }
    let mut file = png[..SIGNATURE.min(png.len())].to_vec();
    let mut add = |kind: [u8; 4], data: &[u8]| {
        // A chunk in memory has fewer bytes than its length can tell.
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(kind);
        file.extend(data);
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&kind);
        checksum.update(data);
        file.extend(checksum.finalize().to_be_bytes());
    };
    let mut palette = palette(png);
    let mut whole = SIGNATURE;
    for chunk in chunks(png).take_while(|chunk| !is_end(chunk)) {
        whole += chunk.named.len() + 8;
        match &chunk.kind {
            b"IHDR" => add(chunk.kind, &plain_header(chunk.data)),
            b"PLTE" => {
                if let Some(palette) = palette.take() {
                    add(chunk.kind, palette);
                }
            }
            _ if chunk.is_known() => add(chunk.kind, chunk.data),
            _ => {}
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

/// The palette of an image that has one: the last of several, without a part of a colour at its end.
fn palette(png: &[u8]) -> Option<&[u8]> {
    find(png, b"IHDR").filter(|header| header.get(COLOR_TYPE) == Some(&INDEXED))?;
    let last = before_pixels(png).filter(Chunk::is_palette).last()?;
    let (colors, _) = last.data.as_chunks::<3>();
    Some(colors.as_flattened())
}

/// A header of the usual length, with the only methods of compression and of interlacing that there are.
fn plain_header(header: &[u8]) -> Vec<u8> {
    let mut header = header[..HEADER.min(header.len())].to_vec();
    if let Some(method) = header.get_mut(COMPRESSION_METHOD) {
        *method = 0;
    }
    if let Some(method) = header.get_mut(INTERLACE_METHOD) {
        *method = (*method).min(1);
    }
    header
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
