use std::ops::Range;

/// SplitMix64. The same seed gives the same numbers on every machine.
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number of `range`.
    pub fn within(&mut self, range: Range<u32>) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let length = u64::from(range.end - range.start);
        range.start + (((bits >> 32) * length) >> 32) as u32
    }

    /// One of some values.
    ///
    /// # Panics
    /// If there is none.
    pub fn choice<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.within(0..values.len() as u32) as usize]
    }
}
