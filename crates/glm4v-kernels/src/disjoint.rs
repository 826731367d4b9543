//! An output that several tasks write at the same time.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

/// A slice of which each task writes its own range.
pub(crate) struct DisjointSlices<'a, Y> {
    start: *mut Y,
    len: usize,
    slice: PhantomData<&'a mut [Y]>,
}

// SAFETY: this is a `&mut [Y]` whose ranges go to several threads, as `split_at_mut` would allow. `slice` requires that they
// do not overlap.
unsafe impl<Y: Send> Sync for DisjointSlices<'_, Y> {}

impl<'a, Y> DisjointSlices<'a, Y> {
    pub(crate) fn new(slice: &'a mut [Y]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            slice: PhantomData,
        }
    }

    /// # Safety
    /// No two slices that live at the same time may overlap.
    ///
    /// # Panics
    /// If the range is outside the whole slice.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &mut [Y] {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} of {}",
            self.len
        );
        // SAFETY: the range is inside the slice, which `self` borrows mutably. The caller ensures that no other
        // reference to it exists.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
