//! The fax compressions of black and white images: ITU-T T.4 (group 3) and T.6 (group 4). The crate `fax` has the
//! tables of codes.

use std::convert::Infallible;

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

/// Zeros before the 1 that ends the mark of a row of group 3.
const MARK_ZEROS: u8 = 11;
/// Longer runs have several codes, and only the last one is shorter than this.
const MAKE_UP: u16 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaxKind {
    /// Rows of runs, each of whole bytes: "CCITT RLE".
    RowsOfBytes,
    /// The same in words of 16 bits.
    RowsOfWords,
    /// Each row has a mark before it.
    Group3 {
        /// A bit behind the mark says whether a row refers to the row above it.
        two_dimensional: bool,
    },
    /// Each row refers to the row above it.
    Group4,
}

/// Decodes row after row of one strip or tile.
pub(super) struct FaxDecoder<'a> {
    bits: Bits<'a>,
    kind: FaxKind,
    width: u32,
    /// Where the colour changes in the row above, from white at first. Empty runs stay: modes count them.
    above: Vec<u32>,
    ended: bool,
}

impl<'a> FaxDecoder<'a> {
    pub(super) fn new(data: &'a [u8], kind: FaxKind, width: u32) -> Self {
        Self {
            bits: Bits { data, position: 0 },
            kind,
            width,
            above: Vec::new(),
            ended: false,
        }
    }

    /// Sets the bits of the black pixels of the next row. `None` for damaged data, and for data that end before the
    /// row.
    pub(super) fn row(&mut self, row: &mut [u8]) -> Option<()> {
        let changes = match self.kind {
            FaxKind::RowsOfBytes => self.runs_to(8)?,
            FaxKind::RowsOfWords => self.runs_to(16)?,
            FaxKind::Group3 { two_dimensional } => {
                self.bits.skip_mark()?;
                if two_dimensional && self.bits.take(1)? == 0 {
                    self.modes()?
                } else {
                    self.runs()?
                }
            }
            // Some encoders leave out white rows at the end.
            FaxKind::Group4 if self.ended => Vec::new(),
            FaxKind::Group4 => self.modes()?,
        };
        row.fill(0);
        for black in changes.chunks(2) {
            let end = black.get(1).copied().unwrap_or(self.width);
            set_bits(row, black[0] as usize, end as usize);
        }
        self.above = changes;
        Some(())
    }

    /// A row of runs that ends at a multiple of `unit` bits.
    fn runs_to(&mut self, unit: usize) -> Option<Vec<u32>> {
        let changes = self.runs()?;
        self.bits.position = self.bits.position.next_multiple_of(unit);
        Some(changes)
    }

    /// A row of runs, white and black in turn.
    fn runs(&mut self) -> Option<Vec<u32>> {
        let mut changes = Vec::new();
        let mut end = 0;
        while end < self.width {
            // A row that ends early is white behind it.
            let marked = matches!(self.kind, FaxKind::Group3 { .. });
            if marked && self.bits.peek(MARK_ZEROS) == Some(0) {
                break;
            }
            end += self.run(is_black(&changes))?;
            change(&mut changes, end, self.width);
            // As in libtiff, modes do not count a pair of empty runs in a row of this kind.
            let count = changes.len();
            let before = count.checked_sub(3).map_or(0, |index| changes[index]);
            if count.is_multiple_of(2) && before == end {
                changes.truncate(count.saturating_sub(2));
            }
        }
        Some(changes)
    }

    /// A row of changes relative to those of the row above.
    fn modes(&mut self) -> Option<Vec<u32>> {
        let mut changes = Vec::new();
        // How far the row is decoded, and the next change above to the opposite of the colour here.
        let (mut reached, mut next) = (0, 0);
        while reached < self.width {
            let above = |index: usize| self.above.get(index).copied().unwrap_or(self.width);
            // At the start of a row, a change at the first pixel counts.
            while !changes.is_empty() && above(next) <= reached && above(next) < self.width {
                next += 2;
            }
            // Empty runs take no pixels.
            if changes.len() > 2 * self.width as usize {
                return None;
            }
            let reference = above(next);
            let passed = above(next + 1);
            match self.bits.checked(mode::decode)? {
                Mode::Pass => {
                    reached = passed;
                    next += 2;
                }
                Mode::Vertical(shift) => {
                    let end = reference.checked_add_signed(shift.into())?;
                    if end < reached {
                        return None;
                    }
                    change(&mut changes, end, self.width);
                    reached = end;
                    // A change further left can be above the next one.
                    next = match next.checked_sub(1) {
                        Some(before) if shift < 0 => before,
                        _ => next + 1,
                    };
                }
                Mode::Horizontal => {
                    let black = is_black(&changes);
                    let first = reached + self.run(black)?;
                    reached = first + self.run(!black)?;
                    change(&mut changes, first, self.width);
                    change(&mut changes, reached, self.width);
                }
                Mode::EOF => {
                    self.ended = true;
                    return Some(Vec::new());
                }
                Mode::Extension => return None,
            }
        }
        Some(changes)
    }

    /// The length of a run.
    fn run(&mut self, is_black: bool) -> Option<u32> {
        let mut length = 0;
        while length <= self.width {
            let code = match is_black {
                true => self.bits.checked(black::decode)?,
                false => self.bits.checked(white::decode)?,
            };
            length += u32::from(code);
            if code < MAKE_UP {
                return Some(length);
            }
        }
        None
    }
}

/// The colour behind the last change.
fn is_black(changes: &[u32]) -> bool {
    !changes.len().is_multiple_of(2)
}

/// Adds a change, unless it is at the end of the row.
fn change(changes: &mut Vec<u32>, place: u32, width: u32) {
    if place < width {
        changes.push(place);
    }
}

fn set_bits(row: &mut [u8], start: usize, end: usize) {
    let bytes = row.iter_mut().enumerate();
    for (index, byte) in bytes.take(end.div_ceil(8)).skip(start / 8) {
        let first = start.saturating_sub(8 * index);
        let last = (end - 8 * index).min(8);
        *byte |= (0xff_u8 >> first) & (0xff_00_u16 >> last) as u8;
    }
}

/// Bits from the highest of each byte on. Zeros follow the data, because codes are looked up together with the bits
/// behind them.
struct Bits<'a> {
    data: &'a [u8],
    /// In bits.
    position: usize,
}

impl Bits<'_> {
    /// What `decode` finds, unless it is behind the data.
    fn checked<T>(&mut self, decode: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let found = decode(self)?;
        (self.position <= 8 * self.data.len()).then_some(found)
    }

    fn take(&mut self, count: u8) -> Option<u16> {
        self.checked(|bits| {
            let taken = bits.peek(count);
            bits.position += usize::from(count);
            taken
        })
    }

    /// Skips everything to the end of the next mark.
    fn skip_mark(&mut self) -> Option<()> {
        while self.peek(MARK_ZEROS)? != 0 {
            self.take(1)?;
        }
        while self.take(1)? == 0 {}
        Some(())
    }
}

impl BitReader for Bits<'_> {
    type Error = Infallible;

    fn peek(&self, count: u8) -> Option<u16> {
        let byte = |index: usize| u32::from(self.data.get(index).copied().unwrap_or(0));
        let first = self.position / 8;
        let window = (byte(first) << 16) | (byte(first + 1) << 8) | byte(first + 2);
        let behind = 24 - self.position % 8 - usize::from(count);
        Some((window >> behind) as u16 & (0xffff_u32 >> (16 - count)) as u16)
    }

    fn consume(&mut self, count: u8) -> Result<(), Infallible> {
        self.position += usize::from(count);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        (self.position.next_multiple_of(8) - self.position) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a text of bits.
    fn bytes(bits: &str) -> Vec<u8> {
        let digits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').collect();
        let byte = |bits: &[u8]| {
            let joined = bits.iter().fold(0, |byte, bit| (byte << 1) | (bit - b'0'));
            joined << (8 - bits.len())
        };
        digits.chunks(8).map(byte).collect()
    }

    fn rows(bits: &str, kind: FaxKind, width: u32, count: usize) -> Option<Vec<u8>> {
        let data = bytes(bits);
        let mut decoder = FaxDecoder::new(&data, kind, width);
        let mut rows = vec![0xff; count * width.div_ceil(8) as usize];
        rows.chunks_exact_mut(width.div_ceil(8) as usize)
            .try_for_each(|row| decoder.row(row))?;
        Some(rows)
    }

    #[test]
    fn runs_of_both_colours() {
        // White 4, black 4, white 8, then white 0 and black 16.
        let bits = "1011 011 10011 0000 00110101 0000010111";
        let found = rows(bits, FaxKind::RowsOfBytes, 16, 2);
        assert_eq!(found.unwrap(), [0x0f, 0, 0xff, 0xff]);
        assert_eq!(rows(&bits[..20], FaxKind::RowsOfBytes, 16, 2), None);
        // 66 is 64 and 2.
        let long = "11011 0111 11";
        let found = rows(long, FaxKind::RowsOfBytes, 68, 1).unwrap();
        assert_eq!(found, [0, 0, 0, 0, 0, 0, 0, 0, 0x30]);
    }

    #[test]
    fn marks_start_the_rows_of_group_3() {
        let kind = |two_dimensional| FaxKind::Group3 { two_dimensional };
        // White 4, black 4, and a row that ends at once.
        let mark = "0000 00000001";
        let bits = format!("{mark} 1011 011 000{mark} {mark}");
        assert_eq!(rows(&bits, kind(false), 8, 2).unwrap(), [0x0f, 0]);
        assert_eq!(rows(&bits, kind(false), 8, 4), None);
        // The same row, and one with both changes a pixel to the right.
        let bits = format!("{mark}1 1011 011 {mark}0 011 1 0");
        assert_eq!(rows(&bits, kind(true), 8, 2).unwrap(), [0x0f, 0x07]);
    }

    #[test]
    fn modes_refer_to_the_row_above() {
        // Horizontal, white 2, black 3, then the end; the same changes; a pass over them; and white rows that are left
        // out.
        let end = "000000000001 000000000001";
        let bits = format!("001 0111 10 1  1 1 1  0001 1  {end}");
        let found = rows(&bits, FaxKind::Group4, 8, 5).unwrap();
        assert_eq!(found, [0x38, 0x38, 0, 0, 0]);
        assert_eq!(rows("0000001111", FaxKind::Group4, 8, 1), None);
        assert_eq!(rows("", FaxKind::Group4, 8, 1), None);
    }

    #[test]
    fn modes_count_empty_runs_of_the_row_above() {
        // Horizontal, white 0, black 0; horizontal, white 2, black 3; the end. Then a pass over the empty runs, and the
        // same changes.
        let bits = "001 00110101 0000110111 001 0111 10 1  0001 1 1 1";
        let found = rows(bits, FaxKind::Group4, 8, 2);
        assert_eq!(found.unwrap(), [0x38, 0x38]);
        // In a row of group 3 without modes, two empty runs are left out: a pass goes over the others.
        let mark = "0000 00000001";
        let bits = format!("{mark}1 00110101 0000110111 0111 10 1000 {mark}0 0001 1");
        let kind = FaxKind::Group3 {
            two_dimensional: true,
        };
        assert_eq!(rows(&bits, kind, 8, 2).unwrap(), [0x38, 0]);
        // Without an end.
        let empty = "001 00110101 0000110111".repeat(20);
        assert_eq!(rows(&empty, FaxKind::Group4, 8, 1), None);
    }

    #[test]
    fn noise_ends_without_a_panic() {
        let noise: Vec<u8> = (0..4000_u32)
            .map(|index| ((index * index * 31) >> 5) as u8)
            .collect();
        let kinds = [
            FaxKind::RowsOfBytes,
            FaxKind::RowsOfWords,
            FaxKind::Group3 {
                two_dimensional: true,
            },
            FaxKind::Group4,
        ];
        for kind in kinds {
            for start in 0..noise.len() {
                let mut decoder = FaxDecoder::new(&noise[start..], kind, 77);
                let mut row = [0; 10];
                let _ = (0..50).try_for_each(|_| decoder.row(&mut row));
            }
        }
    }
}
