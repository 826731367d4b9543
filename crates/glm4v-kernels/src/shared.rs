//! Packed weights outside this process's own memory.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::buffer::Words;

/// Bytes that packed weights use where they are, such as those of a mapped file. Clones share them.
#[derive(Clone)]
pub struct SharedBytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl SharedBytes {
    /// A range of the bytes of `owner`, or nothing if it does not have this range.
    #[must_use]
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Option<Self> {
        (*owner).as_ref().get(range.clone())?;
        Some(Self { owner, range })
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.range.len())
    }
}

/// The words of packed weights.
pub(crate) enum PackedWords {
    Own(Words),
    Shared(SharedBytes),
}

impl PackedWords {
    /// `len` shared words, if `bytes` are so many and are aligned.
    pub(crate) fn shared(bytes: SharedBytes, len: usize) -> Option<Self> {
        let words: &[u32] = bytemuck::try_cast_slice(bytes.as_slice()).ok()?;
        (words.len() == len).then_some(Self::Shared(bytes))
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Self::Own(words) => words.as_slice(),
            Self::Shared(bytes) => bytemuck::cast_slice(bytes.as_slice()),
        }
    }
}
