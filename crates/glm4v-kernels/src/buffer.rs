//! Memory for packed operands.

use std::cell::RefCell;

/// Words of a cache line.
const LINE: usize = 16;
/// Larger buffers are freed after use. 64 MiB.
const MAX_SPARE: usize = 16 << 20;

/// Words that start at a cache line, so that no vector load of a panel crosses a line.
pub(crate) struct Words {
    data: Vec<u32>,
    len: usize,
}

impl Words {
    /// `len` words, all zero.
    pub(crate) fn new(len: usize) -> Self {
        let mut words = Self {
            data: Vec::new(),
            len: 0,
        };
        words.grow(len);
        words
    }

    /// Sets the length to `len`. The words have old values.
    fn grow(&mut self, len: usize) {
        if self.data.len() < len + LINE {
            self.data = vec![0; len + LINE];
        }
        self.len = len;
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        let start = self.start();
        &self.data[start..start + self.len]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u32] {
        let start = self.start();
        &mut self.data[start..start + self.len]
    }

    /// The same words, each the bits of an f32.
    pub(crate) fn as_mut_f32(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.as_mut_slice())
    }

    fn start(&self) -> usize {
        // `align_offset` may fail by its contract. Then loads are slower.
        self.data.as_ptr().align_offset(4 * LINE).min(LINE)
    }
}

thread_local! {
    static SPARE: RefCell<Vec<Words>> = const { RefCell::new(Vec::new()) };
}

/// Calls `use_words` with a buffer of `len` words, which have old values. The thread reuses the buffer: the system would clear every
/// page of a new one.
pub(crate) fn with_words<R>(len: usize, use_words: impl FnOnce(&mut Words) -> R) -> R {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    let mut words = spare.unwrap_or_else(|| Words::new(0));
    words.grow(len);
    let result = use_words(&mut words);
    if words.data.len() <= MAX_SPARE {
        SPARE.with_borrow_mut(|spare| spare.push(words));
    }
    result
}
