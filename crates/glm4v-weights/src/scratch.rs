/// Buffers of at most this many values are kept from tensor to tensor. A block's tensors fit.
const KEPT_VALUES: usize = 8 << 20;

/// The first `len` values of a used `buffer`, which contain old values.
///
/// A buffer that is much too large is freed, so that its memory is free when the tower is complete. Otherwise it is
/// reused: new memory costs more time than all other steps of loading.
pub(crate) fn prepare(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    let lens = len..=KEPT_VALUES.max(4 * len);
    if !lens.contains(&buffer.len()) {
        // The old buffer is freed before the new one is allocated.
        *buffer = Vec::new();
        *buffer = bytemuck::zeroed_vec(len);
    }
    &mut buffer[..len]
}

/// The first `len` bytes of `buffer`, like [`prepare`].
pub(crate) fn bytes(buffer: &mut Vec<f32>, len: usize) -> &mut [u8] {
    let values = prepare(buffer, len.div_ceil(size_of::<f32>()));
    &mut bytemuck::cast_slice_mut(values)[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_buffers_are_freed() {
        let mut buffer = Vec::new();
        for (len, kept) in [
            (2 * KEPT_VALUES, 2 * KEPT_VALUES),
            (KEPT_VALUES, 2 * KEPT_VALUES),
            (10, 10),
            (1000, 1000),
            (10, 1000),
        ] {
            assert_eq!(prepare(&mut buffer, len).len(), len);
            assert_eq!(buffer.len(), kept);
        }
    }
}
