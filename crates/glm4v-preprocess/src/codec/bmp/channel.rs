/// Where one colour is in the number of a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Channel {
    shift: u32,
    max: u32,
}

impl Channel {
    /// The channel of a mask, for pixels of `bits` bits. `None` for a mask that is empty, has gaps or is too large.
    pub(super) fn of(mask: u32, bits: u32) -> Option<Self> {
        let shift = mask.trailing_zeros();
        let max = mask.checked_shr(shift)?;
        let has_gaps = max.trailing_ones() != mask.count_ones();
        let is_too_large = mask.leading_zeros() < u32::BITS - bits;
        (!has_gaps && !is_too_large).then_some(Self { shift, max })
    }

    /// The level with 8 bits. It is rounded down, as in Pillow.
    fn level(self, pixel: u32) -> u8 {
        let level = pixel >> self.shift & self.max;
        match self.max {
            0xff => level as u8,
            max => (u64::from(level) * 255 / u64::from(max)) as u8,
        }
    }
}

/// Draws a row of pixels of 16, 24 or 32 bits.
pub(super) fn draw(row: &[u8], bits: u32, channels: &[Channel; 3], line: &mut [[u8; 3]]) {
    match bits {
        16 => draw_numbers::<2>(row, channels, line),
        24 => draw_numbers::<3>(row, channels, line),
        _ => draw_numbers::<4>(row, channels, line),
    }
}

fn draw_numbers<const BYTES: usize>(row: &[u8], channels: &[Channel; 3], line: &mut [[u8; 3]]) {
    let (pixels, _) = row.as_chunks::<BYTES>();
    for (rgb, pixel) in line.iter_mut().zip(pixels) {
        let mut number = [0; 4];
        number[..BYTES].copy_from_slice(pixel);
        let number = u32::from_le_bytes(number);
        *rgb = channels.map(|channel| channel.level(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_one_run_of_bits_inside_the_pixel() {
        let channel = |mask, bits| Channel::of(mask, bits);
        assert_eq!(channel(0x7e0, 16), Some(Channel { shift: 5, max: 63 }));
        assert!(channel(0x8000, 16).is_some());
        assert!(channel(u32::MAX, 32).is_some());
        for (mask, bits) in [(0, 32), (0x5, 16), (0x1_0000, 16), (0x100_0000, 24)] {
            assert_eq!(channel(mask, bits), None, "{mask:#x}");
        }
    }

    #[test]
    fn levels_of_any_depth_reach_from_0_to_255() {
        let level = |mask, pixel| Channel::of(mask, 32).unwrap().level(pixel);
        for mask in [1 << 31, 0x1f, 0xff00, 0x3ff << 20, u32::MAX] {
            assert_eq!(level(mask, 0), 0, "{mask:#x}");
            assert_eq!(level(mask, u32::MAX), 255, "{mask:#x}");
        }
        // 16 · 255 / 31 is 131.6.
        assert_eq!(level(0x1f, 16), 131);
        assert_eq!(level(0xf0, 0x53), 85);
        assert_eq!(level(0x3ff << 20, 512 << 20), 127);
        assert_eq!(level(0xff00, 0x1_2345), 0x23);
    }

    #[test]
    fn numbers_have_their_low_byte_first() {
        let masks = [0xff_0000, 0xff00, 0xff];
        let channels = masks.map(|mask| Channel::of(mask, 24).unwrap());
        let mut line = [[0; 3]; 2];
        draw(&[1, 2, 3, 4, 5, 6], 24, &channels, &mut line);
        assert_eq!(line, [[3, 2, 1], [6, 5, 4]]);
        draw(&[1, 2, 3, 9, 4, 5, 6, 9], 32, &channels, &mut line);
        assert_eq!(line, [[3, 2, 1], [6, 5, 4]]);
    }
}
