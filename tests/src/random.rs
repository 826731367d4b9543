use std::ops::Range;

use glm4v::image::imageops::{FilterType, resize};
use glm4v::image::{DynamicImage, Rgb, RgbImage};

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

    /// An image of `colours` random colours, columns and rows, that run into each other, as in a photo out of focus.
    pub fn image(&mut self, [width, height]: [u32; 2], colours: [u32; 2]) -> DynamicImage {
        let mut small = RgbImage::new(colours[0], colours[1]);
        for pixel in small.pixels_mut() {
            *pixel = Rgb([(); 3].map(|()| self.within(0..256) as u8));
        }
        resize(&small, width, height, FilterType::Triangle).into()
    }

    /// One of some values.
    ///
    /// # Panics
    /// If there is none.
    pub fn choice<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.within(0..values.len() as u32) as usize]
    }
}
