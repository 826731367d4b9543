//! The sequence header of AV1, which tells how colours are coded. The decoder panics at some of its numbers.

use super::boxes::Reader;
use super::coding::Coding;

/// Kinds of units (OBU).
const SEQUENCE_HEADER: u64 = 1;
const FRAME_HEADER: u64 = 3;
const FRAME: u64 = 6;

/// The coding in the first sequence header of AV1 data.
pub(super) fn coding(data: &[u8]) -> Option<Coding> {
    let (_, body) = units(data).find(|(kind, _)| *kind == SEQUENCE_HEADER)?;
    Bits { body, place: 0 }.coding()
}

/// The number of frames in AV1 data, shown or not.
pub(super) fn frames(data: &[u8]) -> usize {
    let is_frame = |(kind, _): &(u64, &[u8])| matches!(*kind, FRAME_HEADER | FRAME);
    units(data).filter(is_frame).count()
}

/// The kinds and contents of the units, up to the end or to one that is cut off.
fn units(data: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut units = Reader(data);
    std::iter::from_fn(move || {
        let head = units.number(1)?;
        let (kind, has_extension, has_size) = (head >> 3 & 15, head & 4 != 0, head & 2 != 0);
        units.take(has_extension.into())?;
        let size = match has_size {
            true => leb128(&mut units)?,
            false => units.0.len(),
        };
        Some((kind, units.take(size)?))
    })
}

/// A number in groups of 7 bits, the lowest first.
fn leb128(reader: &mut Reader) -> Option<usize> {
    let mut number = 0;
    for group in 0..8 {
        let byte = reader.number(1)?;
        number |= (byte & 0x7f) << (7 * group);
        if byte & 0x80 == 0 {
            break;
        }
    }
    usize::try_from(number).ok()
}

/// A sequence header, from a bit on. The names are those of the standard.
struct Bits<'a> {
    body: &'a [u8],
    place: usize,
}

impl Bits<'_> {
    fn number(&mut self, bits: usize) -> Option<u64> {
        let mut number = 0;
        for _ in 0..bits {
            let byte = *self.body.get(self.place / 8)?;
            number = number << 1 | u64::from(byte >> (7 - self.place % 8) & 1);
            self.place += 1;
        }
        Some(number)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.number(1)? == 1)
    }

    /// A number in as many bits as zeros are before it.
    fn skip_uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while zeros < 32 && !self.flag()? {
            zeros += 1;
        }
        if zeros < 32 {
            self.number(zeros)?;
        }
        Some(())
    }

    fn coding(mut self) -> Option<Coding> {
        let profile = self.number(3)?;
        let _still_picture = self.flag()?;
        let is_reduced = self.flag()?;
        match is_reduced {
            true => _ = self.number(5)?,
            false => self.skip_operating_points()?,
        }
        let (width_bits, height_bits) = (self.number(4)? + 1, self.number(4)? + 1);
        self.number((width_bits + height_bits) as usize)?;
        let has_frame_ids = !is_reduced && self.flag()?;
        self.number(if has_frame_ids { 7 } else { 0 })?;
        // Sizes of blocks, and two filters.
        self.number(3)?;
        if !is_reduced {
            self.skip_tools()?;
        }
        // Filters behind the decoded frame.
        self.number(3)?;
        self.color_config(profile)
    }

    fn skip_operating_points(&mut self) -> Option<()> {
        let mut delay_bits = None;
        if self.flag()? {
            self.number(64)?;
            if self.flag()? {
                self.skip_uvlc()?;
            }
            if self.flag()? {
                delay_bits = Some(self.number(5)? as usize + 1);
                self.number(32 + 10)?;
            }
        }
        let has_display_delay = self.flag()?;
        for _ in 0..=self.number(5)? {
            self.number(12)?;
            let has_tier = self.number(5)? > 7;
            self.number(has_tier.into())?;
            if let Some(bits) = delay_bits
                && self.flag()?
            {
                self.number(2 * bits + 1)?;
            }
            if has_display_delay && self.flag()? {
                self.number(4)?;
            }
        }
        Some(())
    }

    fn skip_tools(&mut self) -> Option<()> {
        self.number(4)?;
        let has_order_hint = self.flag()?;
        self.number(if has_order_hint { 2 } else { 0 })?;
        let may_choose_screen_content = self.flag()?;
        let has_screen_content = may_choose_screen_content || self.flag()?;
        if has_screen_content && !self.flag()? {
            self.number(1)?;
        }
        self.number(if has_order_hint { 3 } else { 0 })?;
        Some(())
    }

    fn color_config(&mut self, profile: u64) -> Option<Coding> {
        let is_high = self.flag()?;
        if profile == 2 && is_high {
            self.number(1)?;
        }
        let is_gray = profile != 1 && self.flag()?;
        let (mut primaries, mut transfer, mut matrix) = (2, 2, 2);
        if self.flag()? {
            (primaries, transfer, matrix) = (self.number(8)?, self.number(8)?, self.number(8)?);
        }
        let is_srgb = !is_gray && (primaries, transfer, matrix) == (1, 13, 0);
        Some(Coding {
            primaries,
            matrix,
            full_range: is_srgb || self.flag()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reduced header of one pixel, whose colours are `config`, behind a temporal delimiter.
    fn stream(config: &str) -> Vec<u8> {
        let bits = format!("000 1 1 00000 0000 0000 0 0 000 000 {config}");
        let mut bits: Vec<u8> = bits.bytes().filter(|&bit| bit != b' ').collect();
        bits.resize(bits.len().next_multiple_of(8), b'0');
        let bytes = bits.chunks_exact(8);
        let bytes = bytes.map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0')));
        let mut stream = vec![0x12, 0, 0x0a, (bits.len() / 8) as u8];
        stream.extend(bytes);
        stream
    }

    #[test]
    fn colours_are_named_or_not() {
        let untold = coding(&stream("0 0 0 1"));
        assert_eq!(untold, Some(Coding::UNTOLD));
        let named = coding(&stream("1 1 1 00001100 00010000 00001100 0"));
        let expected = Coding {
            primaries: 12,
            matrix: 12,
            full_range: false,
        };
        assert_eq!(named, Some(expected));
        let srgb = coding(&stream("0 0 1 00000001 00001101 00000000 0"));
        assert!(srgb.is_some_and(|coding| coding.full_range && coding.matrix == 0));
    }

    #[test]
    fn frames_are_counted_whether_shown_or_not() {
        // A delimiter, a frame, a header of a frame, a group of tiles, and a frame that is cut off.
        let data = [0x12, 0, 0x32, 1, 9, 0x1a, 0, 0x22, 0, 0x32, 5, 9];
        assert_eq!(frames(&data), 2);
        assert_eq!(frames(&data[..4]), 0);
    }

    #[test]
    fn data_that_end_early_have_none() {
        let whole = stream("1 1 1 00001100 00010000 00001100 1");
        for length in 0..whole.len() {
            assert_eq!(coding(&whole[..length]), None);
        }
        assert_eq!(coding(&[0x12, 0xff, 0xff]), None);
    }
}
