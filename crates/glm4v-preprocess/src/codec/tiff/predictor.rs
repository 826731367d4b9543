use crate::codec::byte_order::ByteOrder;

/// What was subtracted from each sample before it was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// The same sample of the pixel to the left.
    Horizontal,
    /// The byte to the left, in rows whose bytes are sorted by significance.
    Float,
}

/// Undoes a predictor in one row of pixels of `samples` samples.
pub(super) fn undo(
    predictor: Predictor,
    row: &mut [u8],
    samples: usize,
    bits: usize,
    order: ByteOrder,
) {
    match predictor {
        Predictor::None => {}
        Predictor::Horizontal => add_left(row, samples, bits / 8, order),
        Predictor::Float => {
            for index in samples..row.len() {
                row[index] = row[index].wrapping_add(row[index - samples]);
            }
            join_bytes(row, order);
        }
    }
}

/// Adds to each sample of `bytes` bytes the same sample of the pixel to the left.
fn add_left(row: &mut [u8], samples: usize, bytes: usize, order: ByteOrder) {
    let pixel = samples * bytes;
    for start in (pixel..row.len()).step_by(bytes) {
        let place = start..(start + bytes).min(row.len());
        let left = order.unsigned(&row[place.start - pixel..place.end - pixel]);
        let sum = order.unsigned(&row[place.clone()]).wrapping_add(left);
        match order {
            ByteOrder::Little => row[place].copy_from_slice(&sum.to_le_bytes()[..bytes]),
            ByteOrder::Big => row[place].copy_from_slice(&sum.to_be_bytes()[8 - bytes..]),
        }
    }
}

/// Makes floats of a row that has the highest bytes of all of them first.
fn join_bytes(row: &mut [u8], order: ByteOrder) {
    let sorted = row.to_vec();
    let count = row.len() / 4;
    for (index, float) in row.chunks_exact_mut(4).enumerate() {
        let bytes = [0, 1, 2, 3].map(|byte| sorted[byte * count + index]);
        let bits = u32::from_be_bytes(bytes);
        float.copy_from_slice(&match order {
            ByteOrder::Little => bits.to_le_bytes(),
            ByteOrder::Big => bits.to_be_bytes(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_added_up() {
        let mut row = [1, 10, 2, 20, 255, 1];
        undo(Predictor::Horizontal, &mut row, 2, 8, ByteOrder::Little);
        assert_eq!(row, [1, 10, 3, 30, 2, 31]);
        let mut row = [0, 1, 0xff, 0xff, 0, 3];
        undo(Predictor::Horizontal, &mut row, 1, 16, ByteOrder::Big);
        assert_eq!(row, [0, 1, 0, 0, 0, 3]);
    }

    #[test]
    fn floats_are_joined_from_sorted_bytes() {
        let floats = [1.5_f32, -2.0];
        let bits = floats.map(|float| float.to_bits().to_be_bytes());
        let sorted: Vec<u8> = (0..4)
            .flat_map(|byte| bits.map(|bytes| bytes[byte]))
            .collect();
        let mut row = sorted.clone();
        for index in (1..row.len()).rev() {
            row[index] = row[index].wrapping_sub(row[index - 1]);
        }
        undo(Predictor::Float, &mut row, 1, 32, ByteOrder::Little);
        assert_eq!(row, floats.map(f32::to_le_bytes).as_flattened());
    }
}
