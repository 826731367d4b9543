use burn::tensor::FloatDType;

use crate::values::size;

/// Rows of a weight of `shape` that are held together, so that no part has more than `max_bytes`: at least one.
pub(crate) fn rows_of_part(shape: &[usize], dtype: FloatDType, max_bytes: u64) -> usize {
    let row = shape[1..].iter().product::<usize>() * size(dtype);
    let rows = max_bytes / row.max(1) as u64;
    rows.clamp(1, shape[0].max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_whole_rows() {
        let rows = |shape: &[usize], bytes| rows_of_part(shape, FloatDType::BF16, bytes);
        assert_eq!(rows(&[10, 3, 2], u64::MAX), 10);
        assert_eq!(rows(&[10, 3, 2], 120), 10);
        assert_eq!(rows(&[10, 3, 2], 119), 9);
        assert_eq!(rows(&[10, 3, 2], 25), 2);
        assert_eq!(rows(&[10, 3, 2], 1), 1);
        assert_eq!(rows(&[7], 4), 2);
    }
}
