//! An output that tasks write at the same time.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

/// A slice of which each task writes its own part.
pub(crate) struct Parts<'a, Y> {
    start: *mut Y,
    len: usize,
    slice: PhantomData<&'a mut [Y]>,
}

// SAFETY: it is a `&mut [Y]` whose parts go to threads, as `split_at_mut` would hand them out; `part` has the rest.
unsafe impl<Y: Send> Sync for Parts<'_, Y> {}

impl<'a, Y> Parts<'a, Y> {
    pub(crate) fn new(slice: &'a mut [Y]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            slice: PhantomData,
        }
    }

    /// # Safety
    /// No two parts that live at the same time may overlap.
    ///
    /// # Panics
    /// If the range is outside the slice.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [Y] {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} of {}",
            self.len
        );
        // SAFETY: the range is inside the slice, whose borrow `self` holds, and by this function's contract no one else
        // holds any of it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
