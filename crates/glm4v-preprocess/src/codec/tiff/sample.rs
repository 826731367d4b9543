use crate::codec::byte_order::ByteOrder;

/// How one sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleType {
    /// 1, 2 or 4 bits.
    Bits(usize),
    Byte,
    Bits12,
    Bits16,
    /// In two's complement.
    Signed16,
    /// In two's complement: Pillow reads unsigned integers like signed ones.
    Bits32,
    Float,
}

impl SampleType {
    /// The type with a number of bits and a sample format (1 unsigned, 2 signed, 3 floating point).
    pub(super) const fn of(bits: u64, format: u64) -> Option<Self> {
        Some(match (bits, format) {
            (1 | 2 | 4, 1) => Self::Bits(bits as usize),
            (8, 1 | 2) => Self::Byte,
            (12, 1) => Self::Bits12,
            (16, 1) => Self::Bits16,
            (16, 2) => Self::Signed16,
            (32, 1 | 2) => Self::Bits32,
            (32, 3) => Self::Float,
            _ => return None,
        })
    }

    pub(super) const fn bits(self) -> usize {
        match self {
            Self::Bits(bits) => bits,
            Self::Byte => 8,
            Self::Bits12 => 12,
            Self::Bits16 | Self::Signed16 => 16,
            Self::Bits32 | Self::Float => 32,
        }
    }

    /// The greatest level that [`SampleType::levels`] gives.
    pub(super) const fn max_level(self) -> u8 {
        match self {
            Self::Bits(bits) => ((1 << bits) - 1) as u8,
            Self::Byte
            | Self::Bits12
            | Self::Bits16
            | Self::Signed16
            | Self::Bits32
            | Self::Float => u8::MAX,
        }
    }

    /// The first `count` samples of a row, with 8 bits each. Of 12 and 16 bits the high byte counts. Signed numbers,
    /// 32 bits and floats are clipped to 0 to 255, as in Pillow.
    pub(super) fn levels(self, row: &[u8], order: ByteOrder, count: usize) -> Vec<u8> {
        let clip = |number: i64| number.clamp(0, 255) as u8;
        let levels: Vec<u8> = match self {
            Self::Bits(bits) => bit_fields(row, bits).take(count).collect(),
            Self::Byte => row[..count].to_vec(),
            Self::Bits12 => high_bytes_of_12_bits(row).take(count).collect(),
            Self::Bits16 => {
                let high = match order {
                    ByteOrder::Little => 1,
                    ByteOrder::Big => 0,
                };
                row.chunks_exact(2)
                    .map(|pair| pair[high])
                    .take(count)
                    .collect()
            }
            Self::Signed16 => {
                let numbers = row.chunks_exact(2).map(|bytes| clip(order.signed(bytes)));
                numbers.take(count).collect()
            }
            Self::Bits32 => {
                let numbers = row.chunks_exact(4).map(|bytes| clip(order.signed(bytes)));
                numbers.take(count).collect()
            }
            Self::Float => {
                // A cast clips, and makes 0 of NaN.
                let numbers = row.chunks_exact(4).map(|bytes| order.float(bytes) as u8);
                numbers.take(count).collect()
            }
        };
        levels
    }
}

/// Numbers of 1, 2 or 4 bits, the highest bits first.
fn bit_fields(row: &[u8], bits: usize) -> impl Iterator<Item = u8> {
    let mask = (1 << bits) - 1;
    row.iter()
        .flat_map(move |&byte| (1..=8 / bits).map(move |place| (byte >> (8 - place * bits)) & mask))
}

fn high_bytes_of_12_bits(row: &[u8]) -> impl Iterator<Item = u8> {
    row.chunks(3).flat_map(|group| {
        let second = match group {
            [_, middle, last] => Some((middle << 4) | (last >> 4)),
            _ => None,
        };
        group.first().copied().into_iter().chain(second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(sample: SampleType, row: &[u8], count: usize) -> Vec<u8> {
        sample.levels(row, ByteOrder::Little, count)
    }

    #[test]
    fn few_bits_are_unpacked_from_the_highest() {
        assert_eq!(levels(SampleType::Bits(1), &[0b1010_0000], 3), [1, 0, 1]);
        assert_eq!(
            levels(SampleType::Bits(2), &[0b1101_0010, 0b0100_0000], 5),
            [3, 1, 0, 2, 1]
        );
        assert_eq!(levels(SampleType::Bits(4), &[0x5a, 0xf0], 3), [5, 10, 15]);
        assert_eq!(
            levels(SampleType::Bits12, &[0x12, 0x34, 0x56], 2),
            [0x12, 0x45]
        );
        assert_eq!(levels(SampleType::Bits12, &[0x12, 0x30], 1), [0x12]);
    }

    #[test]
    fn wide_samples_keep_the_high_byte_or_are_clipped() {
        assert_eq!(levels(SampleType::Bits16, &[1, 2, 3, 4], 2), [2, 4]);
        let big = SampleType::Bits16.levels(&[1, 2, 3, 4], ByteOrder::Big, 2);
        assert_eq!(big, [1, 3]);
        assert_eq!(
            levels(SampleType::Signed16, &[7, 0, 0, 1, 0xff, 0xff], 3),
            [7, 255, 0]
        );
        assert_eq!(
            levels(SampleType::Bits32, &[9, 0, 0, 0, 0, 0, 0, 0x80], 2),
            [9, 0]
        );
        let floats = [3.9_f32, -1.0, 300.0, f32::NAN]
            .map(f32::to_le_bytes)
            .concat();
        assert_eq!(levels(SampleType::Float, &floats, 4), [3, 0, 255, 0]);
    }
}
