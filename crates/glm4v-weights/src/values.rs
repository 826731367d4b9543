//! Memory for the values of a tensor.

use burn::tensor::{AllocationProperty, Bytes, DType, Element, FloatDType, TensorData, bf16, f16};
use bytemuck::Pod;

use crate::rooms::Rooms;

/// How long the values are needed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stay<'a> {
    /// As long as the tower.
    Kept,
    /// Until others are made of them.
    Passing(&'a Rooms),
}

/// Bytes of a value.
pub(crate) fn size(dtype: FloatDType) -> usize {
    DType::from(dtype).size()
}

/// Tensor data of `shape` whose values, in the machine's byte order, `fill` writes.
pub(crate) fn tensor_data<E>(
    shape: &[usize],
    dtype: FloatDType,
    stay: Stay<'_>,
    fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> Result<TensorData, E> {
    let count = shape.iter().product();
    if let Stay::Passing(rooms) = stay
        && let Some(mut room) = rooms.lend(count * size(dtype))
    {
        fill(room.bytes_mut())?;
        let bytes = bytes::Bytes::from_owner(room);
        let bytes = Bytes::from_shared(bytes, AllocationProperty::Other);
        return Ok(TensorData::from_bytes(bytes, shape.to_vec(), dtype.into()));
    }
    match dtype {
        FloatDType::F16 => kept::<f16, E>(count, shape, fill),
        FloatDType::BF16 => kept::<bf16, E>(count, shape, fill),
        _ => kept::<f32, E>(count, shape, fill),
    }
}

fn kept<T: Element + Pod, E>(
    count: usize,
    shape: &[usize],
    fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> Result<TensorData, E> {
    let mut values: Vec<T> = bytemuck::zeroed_vec(count);
    fill(bytemuck::cast_slice_mut(&mut values))?;
    Ok(TensorData::new(values, shape.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_written_wherever_they_lie() {
        let rooms = Rooms::default();
        for (rows, stay) in [
            (3, Stay::Kept),
            (3, Stay::Passing(&rooms)),
            (30_001, Stay::Kept),
            (30_001, Stay::Passing(&rooms)),
            (30_000, Stay::Passing(&rooms)),
        ] {
            let fill = |values: &mut [u8]| {
                for (index, value) in values.as_chunks_mut().0.iter_mut().enumerate() {
                    *value = (index as f32).to_ne_bytes();
                }
                Ok::<_, ()>(())
            };
            let data = tensor_data(&[rows, 5], FloatDType::F32, stay, fill).unwrap();
            assert_eq!(data.shape()[..], [rows, 5]);
            let values = data.as_slice::<f32>().unwrap();
            assert!(
                (0..rows * 5)
                    .map(|index| index as f32)
                    .eq(values.iter().copied())
            );
        }
    }

    #[test]
    fn a_failure_is_handed_on() {
        for stay in [Stay::Kept, Stay::Passing(&Rooms::default())] {
            let failed = tensor_data(&[1 << 20], FloatDType::BF16, stay, |_| Err("no"));
            assert_eq!(failed.unwrap_err(), "no");
        }
    }
}
