/// How indices are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// 4 bits each (RLE4). A run has two indices, which alternate.
    HalfBytes,
    /// 8 bits each (RLE8).
    Bytes,
}

impl Code {
    /// Bytes of so many indices.
    pub(super) const fn bytes(self, indices: usize) -> usize {
        match self {
            Self::HalfBytes => indices.div_ceil(2),
            Self::Bytes => indices,
        }
    }

    /// The indices in a byte.
    pub(super) fn indices(self, byte: u8) -> impl Iterator<Item = u8> + Clone {
        let (indices, count) = match self {
            Self::HalfBytes => ([byte >> 4, byte & 0xf], 2),
            Self::Bytes => ([byte; 2], 1),
        };
        indices.into_iter().take(count)
    }
}
