//! The first directory of a TIFF file. EXIF metadata has the same layout.

use std::collections::BTreeMap;

use super::byte_order::ByteOrder;

/// The entries of a directory. Values are read when they are asked for.
#[derive(Debug)]
pub(super) struct Directory<'a> {
    pub(super) order: ByteOrder,
    /// By tag. The first of several entries with one tag counts, as in Pillow.
    entries: BTreeMap<u16, Entry<'a>>,
}

#[derive(Debug)]
struct Entry<'a> {
    kind: Kind,
    /// Bytes of one value.
    size: usize,
    /// The bytes of all values, at least one.
    data: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Bytes and text: no numbers for Pillow.
    Bytes,
    Unsigned,
    Signed,
    Float,
    UnsignedRatio,
    SignedRatio,
}

impl Kind {
    /// The kind and the size of a value, by the number that the file has for it. Pillow ignores other types.
    const fn of(number: u64) -> Option<(Self, usize)> {
        Some(match number {
            1 | 2 | 7 => (Self::Bytes, 1),
            3 => (Self::Unsigned, 2),
            4 | 13 => (Self::Unsigned, 4),
            5 => (Self::UnsignedRatio, 8),
            6 => (Self::Signed, 1),
            8 => (Self::Signed, 2),
            9 => (Self::Signed, 4),
            10 => (Self::SignedRatio, 8),
            11 => (Self::Float, 4),
            12 => (Self::Float, 8),
            16 => (Self::Unsigned, 8),
            _ => return None,
        })
    }
}

/// How many bytes the numbers of a directory have.
#[derive(Clone, Copy)]
struct Widths {
    /// The number of entries.
    entries: usize,
    /// A number of values, and the offset of a value.
    value: usize,
}

/// No entry that is read as floats has more. A hostile file can have very many.
const MOST_FLOATS: usize = 6;

const CLASSIC: Widths = Widths {
    entries: 2,
    value: 4,
};
const BIG: Widths = Widths {
    entries: 8,
    value: 8,
};

impl<'a> Directory<'a> {
    /// `None` for bytes without a directory. As in Pillow, it ends at the first entry whose values lie beyond the end of
    /// the bytes. Entries whose values are together larger than the bytes are left out.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (order, widths, start) = header(bytes)?;
        let start = usize::try_from(order.unsigned(start)).ok()?;
        let (count, table) = bytes.get(start..)?.split_at_checked(widths.entries)?;
        let count = usize::try_from(order.unsigned(count)).ok()?;
        let mut entries = BTreeMap::new();
        let mut outside = 0_u64;
        for entry in table.chunks_exact(4 + 2 * widths.value).take(count) {
            let (tag, rest) = entry.split_at(2);
            let (kind, rest) = rest.split_at(2);
            let (count, place) = rest.split_at(widths.value);
            let tag = order.unsigned(tag) as u16;
            let kind = Kind::of(order.unsigned(kind)).filter(|_| !entries.contains_key(&tag));
            let Some((kind, size)) = kind else {
                continue;
            };
            let length = order.unsigned(count).saturating_mul(size as u64);
            if length > widths.value as u64 {
                outside = outside.saturating_add(length);
                if outside > bytes.len() as u64 {
                    continue;
                }
            }
            let Some(data) = values(bytes, order, length, place) else {
                break;
            };
            if !data.is_empty() {
                entries.insert(tag, Entry { kind, size, data });
            }
        }
        Some(Self { order, entries })
    }

    pub(super) fn contains(&self, tag: u16) -> bool {
        self.entries.contains_key(&tag)
    }

    /// The first number of an entry of any numeric type.
    pub(super) fn number(&self, tag: u16) -> Option<f64> {
        let entry = self.entries.get(&tag)?;
        let order = self.order;
        let first = &entry.data[..entry.size];
        let (top, bottom) = first.split_at(entry.size / 2);
        Some(match entry.kind {
            Kind::Bytes => return None,
            Kind::Unsigned => order.unsigned(first) as f64,
            Kind::Signed => order.signed(first) as f64,
            Kind::Float => order.float(first),
            Kind::UnsignedRatio => order.unsigned(top) as f64 / order.unsigned(bottom) as f64,
            Kind::SignedRatio => order.signed(top) as f64 / order.signed(bottom) as f64,
        })
    }

    /// The bytes of all values. An absent entry has none.
    pub(super) fn bytes(&self, tag: u16) -> &'a [u8] {
        self.entries.get(&tag).map_or(&[], |entry| entry.data)
    }

    /// All values of an entry of integers. Other entries have none. The bits of a negative one are read as a positive one.
    pub(super) fn integers(&self, tag: u16) -> Integers<'a> {
        let entry = self.entries.get(&tag);
        let entry =
            entry.filter(|entry| matches!(entry.kind, Kind::Unsigned | Kind::Signed | Kind::Bytes));
        let (data, size) = entry.map_or((&[][..], 1), |entry| (entry.data, entry.size));
        let order = self.order;
        Integers { order, size, data }
    }

    /// The first value of an entry of integers.
    pub(super) fn integer(&self, tag: u16) -> Option<u64> {
        self.integers(tag).get(0)
    }

    /// The first values of an entry of any numeric type. Other entries have none.
    pub(super) fn floats(&self, tag: u16) -> Vec<f32> {
        let Some(entry) = self.entries.get(&tag) else {
            return Vec::new();
        };
        let order = self.order;
        let float = |value: &[u8]| {
            let (top, bottom) = value.split_at(entry.size / 2);
            Some(match entry.kind {
                Kind::Bytes => return None,
                Kind::Unsigned => order.unsigned(value) as f32,
                Kind::Signed => order.signed(value) as f32,
                Kind::Float => order.float(value) as f32,
                Kind::UnsignedRatio => order.unsigned(top) as f32 / order.unsigned(bottom) as f32,
                Kind::SignedRatio => order.signed(top) as f32 / order.signed(bottom) as f32,
            })
        };
        let values = entry.data.chunks_exact(entry.size);
        values.take(MOST_FLOATS).map_while(float).collect()
    }
}

/// Whether the bytes begin as a TIFF file, or as EXIF.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    header(bytes).is_some()
}

/// The byte order, the widths, and the bytes that tell where the directory is.
fn header(bytes: &[u8]) -> Option<(ByteOrder, Widths, &[u8])> {
    let order = ByteOrder::of(bytes)?;
    match order.unsigned(bytes.get(2..4)?) {
        // Also with its bytes swapped, as in Pillow.
        42 | 0x2a00 => Some((order, CLASSIC, bytes.get(4..8)?)),
        43 => Some((order, BIG, bytes.get(8..16)?)),
        _ => None,
    }
}

/// Unsigned integers as the file has them. A large file can have very many. They are read one at a time, which takes no memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Integers<'a> {
    order: ByteOrder,
    /// Bytes of one.
    size: usize,
    data: &'a [u8],
}

impl<'a> Integers<'a> {
    pub(super) fn len(self) -> usize {
        self.data.len() / self.size
    }

    pub(super) fn get(self, index: usize) -> Option<u64> {
        let value = self.data.get(index * self.size..)?.get(..self.size)?;
        Some(self.order.unsigned(value))
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u64> + use<'a> {
        let values = self.data.chunks_exact(self.size);
        values.map(move |value| self.order.unsigned(value))
    }
}

/// The `length` bytes of values: in the entry itself if they fit, or else at the offset in it.
fn values<'a>(bytes: &'a [u8], order: ByteOrder, length: u64, place: &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(length).ok()?;
    if length <= place.len() {
        return Some(&place[..length]);
    }
    let start = usize::try_from(order.unsigned(place)).ok()?;
    bytes.get(start..)?.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: u16 = 274;

    /// A little-endian directory with one entry of 4 bytes.
    fn one(kind: u8, count: u8, place: [u8; 4]) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01".to_vec();
        bytes.extend([kind, 0, count, 0, 0, 0]);
        bytes.extend(place);
        bytes
    }

    fn number(bytes: &[u8]) -> Option<f64> {
        Directory::read(bytes)?.number(TAG)
    }

    #[test]
    fn every_numeric_type_is_a_number() {
        for (kind, place, expected) in [
            (3, [6, 0, 9, 9], 6.0),
            (4, [6, 0, 1, 0], 65542.0),
            (13, [6, 0, 0, 0], 6.0),
            (6, [0xff, 0, 0, 0], -1.0),
            (8, [0xfe, 0xff, 0, 0], -2.0),
            (9, [6, 0, 0, 0], 6.0),
            (11, 6.5_f32.to_le_bytes(), 6.5),
        ] {
            assert_eq!(number(&one(kind, 1, place)), Some(expected), "type {kind}");
        }
        let mut ratio = one(5, 1, [22, 0, 0, 0]);
        ratio.extend([12, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(number(&ratio), Some(6.0));
        assert_eq!(Directory::read(&ratio).unwrap().floats(TAG), [6.0]);
        let two = one(3, 2, [6, 0, 1, 1]);
        assert_eq!(Directory::read(&two).unwrap().floats(TAG), [6.0, 257.0]);
        for kind in [1, 2, 7] {
            let bytes = one(kind, 1, [6, 0, 0, 0]);
            let directory = Directory::read(&bytes).unwrap();
            assert!(directory.contains(TAG));
            assert_eq!(directory.number(TAG), None);
            assert!(directory.floats(TAG).is_empty());
        }
    }

    #[test]
    fn big_files_and_big_endian() {
        let mut big = b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10".to_vec();
        big.extend([0, 0, 0, 0, 0, 0, 0, 1, 1, 0x12, 0, 3]);
        big.extend([0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 2, 0, 3, 0, 4]);
        let directory = Directory::read(&big).unwrap();
        let integers = directory.integers(TAG);
        assert!(integers.iter().eq([1, 2, 3, 4]));
        assert_eq!(
            (integers.len(), integers.get(3), integers.get(4)),
            (4, Some(4), None)
        );
        assert_eq!(directory.integer(TAG), Some(1));
        assert_eq!(directory.integers(TAG + 1).len(), 0);
        assert_eq!(directory.integer(TAG + 1), None);
    }

    #[test]
    fn values_larger_than_the_file_leave_their_entry_out_and_a_false_offset_ends_it() {
        let two = |first_count: u32, offset: u32| {
            let mut bytes = b"II*\0\x08\0\0\0\x02\0\x11\x01\x04\0".to_vec();
            bytes.extend(first_count.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            bytes.extend(&one(3, 1, [6, 0, 0, 0])[10..]);
            bytes
        };
        assert_eq!(number(&two(2, 8)), Some(6.0));
        assert_eq!(number(&two(u32::MAX, 8)), Some(6.0));
        assert_eq!(number(&two(2, 900)), None);
        assert!(!Directory::read(&two(u32::MAX, 8)).unwrap().contains(0x111));
    }

    #[test]
    fn the_magic_number_may_have_its_bytes_swapped() {
        let mut bytes = one(3, 1, [6, 0, 0, 0]);
        bytes.swap(2, 3);
        assert_eq!(number(&bytes), Some(6.0));
        assert!(!has_header(b"IW*\0\x08\0\0\0"));
    }

    #[test]
    fn false_counts_and_offsets_leave_entries_out() {
        let absent = |bytes: &[u8]| !Directory::read(bytes).unwrap().contains(TAG);
        assert!(absent(&one(3, 3, [200, 0, 0, 0])));
        assert!(absent(&one(3, 0, [6, 0, 0, 0])));
        assert!(absent(&one(99, 1, [6, 0, 0, 0])));
        let whole = one(3, 1, [6, 0, 0, 0]);
        for length in 0..whole.len() {
            assert_eq!(number(&whole[..length]), None, "{length}");
        }
    }
}
