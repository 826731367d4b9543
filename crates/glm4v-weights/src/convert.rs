use burn::tensor::{Element, FloatDType, TensorData, bf16, f16};
use safetensors::Dtype;

/// The types in which a tower's tensors are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoredDtype {
    /// 32-bit float
    F32,
    /// 16-bit float
    F16,
    /// bfloat16
    BF16,
}

impl StoredDtype {
    /// The type of this name in a safetensors header, if a tower is stored in it.
    #[must_use]
    pub fn new(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F32 => Some(Self::F32),
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::BF16),
            _ => None,
        }
    }

    pub(crate) fn safetensors(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::BF16 => Dtype::BF16,
        }
    }

    /// The type in which packing reads the values: bf16 as it is, which spares a copy twice its size.
    pub(crate) const fn on_host(self) -> FloatDType {
        match self {
            Self::BF16 => FloatDType::BF16,
            Self::F16 | Self::F32 => FloatDType::F32,
        }
    }

    /// Bytes of one value.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }
}

impl std::fmt::Display for StoredDtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
        })
    }
}

/// Tensor data of type `dtype`, made of the little-endian bytes of type `stored` that `read` hands over part by part,
/// each of whole values.
pub(crate) fn tensor_data<E>(
    stored: StoredDtype,
    shape: &[usize],
    dtype: FloatDType,
    read: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
) -> Result<TensorData, E> {
    let mut values = Values::new(dtype, shape.iter().product());
    read(&mut |bytes| values.extend(bytes, stored))?;
    Ok(values.into_data(shape.to_vec()))
}

/// [`tensor_data`] of bytes that are all there.
pub(crate) fn from_bytes(
    bytes: &[u8],
    stored: StoredDtype,
    shape: &[usize],
    dtype: FloatDType,
) -> TensorData {
    let mut values = Values::new(dtype, shape.iter().product());
    values.extend(bytes, stored);
    values.into_data(shape.to_vec())
}

/// Room for the `count` values of a tensor that is needed for a moment. glibc maps what is larger than 32 MiB apart and
/// gives it back at once; smaller, it would leave holes between the weights made of it, a quarter of them in all. What is
/// not used of the room is never touched, and so takes no memory.
pub(crate) fn passing<T>(count: usize) -> Vec<T> {
    let apart = match cfg!(target_os = "linux") {
        true => (33 << 20) / size_of::<T>(),
        false => 0,
    };
    Vec::with_capacity(count.max(apart))
}

/// Values on their way into a tensor.
enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
}

impl Values {
    fn new(dtype: FloatDType, count: usize) -> Self {
        match dtype {
            FloatDType::F16 => Self::F16(passing(count)),
            FloatDType::BF16 => Self::BF16(passing(count)),
            _ => Self::F32(passing(count)),
        }
    }

    fn extend(&mut self, bytes: &[u8], stored: StoredDtype) {
        let (halves, words) = (bytes.as_chunks().0, bytes.as_chunks().0);
        let f16s = halves.iter().copied().map(f16::from_le_bytes);
        let bf16s = halves.iter().copied().map(bf16::from_le_bytes);
        let f32s = words.iter().copied().map(f32::from_le_bytes);
        match (self, stored) {
            (Self::F32(values), StoredDtype::F32) => values.extend(f32s),
            (Self::F32(values), StoredDtype::F16) => values.extend(f16s.map(f16::to_f32)),
            (Self::F32(values), StoredDtype::BF16) => values.extend(bf16s.map(bf16::to_f32)),
            (Self::F16(values), StoredDtype::F32) => values.extend(f32s.map(f16::from_f32)),
            (Self::F16(values), StoredDtype::F16) => values.extend(f16s),
            (Self::F16(values), StoredDtype::BF16) => {
                values.extend(bf16s.map(|value| f16::from_f32(value.to_f32())));
            }
            (Self::BF16(values), StoredDtype::F32) => values.extend(f32s.map(bf16::from_f32)),
            (Self::BF16(values), StoredDtype::F16) => {
                values.extend(f16s.map(|value| bf16::from_f32(value.to_f32())));
            }
            (Self::BF16(values), StoredDtype::BF16) => values.extend(bf16s),
        }
    }

    fn into_data(self, shape: Vec<usize>) -> TensorData {
        match self {
            Self::F32(values) => whole(values, shape),
            Self::F16(values) => whole(values, shape),
            Self::BF16(values) => whole(values, shape),
        }
    }
}

/// Gives back the room that was not used, lest a tensor that stays keep it.
fn whole<E: Element>(mut values: Vec<E>, shape: Vec<usize>) -> TensorData {
    values.shrink_to_fit();
    TensorData::new(values, shape)
}

/// `values` as tensor data of type `dtype`.
pub(crate) fn from_f32(values: Vec<f32>, shape: Vec<usize>, dtype: FloatDType) -> TensorData {
    match dtype {
        FloatDType::F16 => TensorData::new(
            values.into_iter().map(f16::from_f32).collect::<Vec<_>>(),
            shape,
        ),
        FloatDType::BF16 => TensorData::new(
            values.into_iter().map(bf16::from_f32).collect::<Vec<_>>(),
            shape,
        ),
        _ => whole(values, shape),
    }
}

/// Little-endian bytes of `values`, stored as `stored`.
pub(crate) fn to_bytes(values: &[f32], stored: StoredDtype) -> Vec<u8> {
    match stored {
        StoredDtype::F32 => values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        StoredDtype::F16 => values
            .iter()
            .flat_map(|&value| f16::from_f32(value).to_le_bytes())
            .collect(),
        StoredDtype::BF16 => values
            .iter()
            .flat_map(|&value| bf16::from_f32(value).to_le_bytes())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_type_becomes_every_other() {
        let values = [1.0, -0.5, 3.0, 0.0];
        for stored in [StoredDtype::F32, StoredDtype::F16, StoredDtype::BF16] {
            let bytes = to_bytes(&values, stored);
            assert_eq!(bytes.len(), 4 * stored.size());
            for dtype in [FloatDType::F32, FloatDType::F16, FloatDType::BF16] {
                let read = |take: &mut dyn FnMut(&[u8])| {
                    bytes.chunks(stored.size() * 3).for_each(take);
                    Ok::<_, std::convert::Infallible>(())
                };
                let Ok(data) = tensor_data(stored, &[2, 2], dtype, read);
                assert_eq!(data.dtype(), dtype.into());
                assert_eq!(data.iter::<f32>().collect::<Vec<_>>(), values);
            }
        }
    }
}
