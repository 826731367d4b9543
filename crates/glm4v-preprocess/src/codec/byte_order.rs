/// The order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The order that the first bytes of a file name.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        match file.get(..2)? {
            b"II" => Some(Self::Little),
            b"MM" => Some(Self::Big),
            _ => None,
        }
    }

    /// A number of up to 8 bytes.
    pub(super) fn unsigned(self, bytes: &[u8]) -> u64 {
        let join = |number: u64, &byte: &u8| (number << 8) | u64::from(byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, join),
            Self::Big => bytes.iter().fold(0, join),
        }
    }

    /// A number in two's complement of up to 8 bytes.
    pub(super) fn signed(self, bytes: &[u8]) -> i64 {
        let unused = 64 - 8 * bytes.len() as u32;
        (self.unsigned(bytes) << unused) as i64 >> unused
    }

    /// A floating-point number of 4 or 8 bytes.
    pub(super) fn float(self, bytes: &[u8]) -> f64 {
        let bits = self.unsigned(bytes);
        match bytes.len() {
            4 => f32::from_bits(bits as u32).into(),
            _ => f64::from_bits(bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_both_orders() {
        assert_eq!(ByteOrder::Little.unsigned(&[1, 2, 3]), 0x0003_0201);
        assert_eq!(ByteOrder::Big.unsigned(&[1, 2, 3]), 0x0001_0203);
        assert_eq!(ByteOrder::Big.signed(&[0xff, 0xfe]), -2);
        assert_eq!(ByteOrder::Little.signed(&[0xfe, 0x7f]), 0x7ffe);
        assert_eq!(ByteOrder::Big.float(&1.5_f32.to_be_bytes()), 1.5);
        assert_eq!(ByteOrder::Little.float(&(-0.25_f64).to_le_bytes()), -0.25);
    }
}
