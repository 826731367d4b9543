use std::convert::Infallible;

use burn::tensor::{FloatDType, TensorData, bf16, f16};
use safetensors::Dtype;

use crate::values::{Stay, tensor_data};

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

    /// The same type of burn's.
    pub(crate) const fn float(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::F16 => FloatDType::F16,
            Self::BF16 => FloatDType::BF16,
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

/// Writes what the little-endian `bytes` of type `stored` are as `values` of type `dtype`, in the machine's byte order.
pub(crate) fn convert(bytes: &[u8], stored: StoredDtype, values: &mut [u8], dtype: FloatDType) {
    use StoredDtype::{BF16, F16, F32};
    let (f16s, bf16s, f32s) = (f16::from_le_bytes, bf16::from_le_bytes, f32::from_le_bytes);
    match (stored, dtype) {
        (F32, FloatDType::F16) => each(bytes, values, |x| f16::from_f32(f32s(x)).to_ne_bytes()),
        (F16, FloatDType::F16) => each(bytes, values, |x| f16s(x).to_ne_bytes()),
        (BF16, FloatDType::F16) => each(bytes, values, |x| {
            f16::from_f32(bf16s(x).to_f32()).to_ne_bytes()
        }),
        (F32, FloatDType::BF16) => each(bytes, values, |x| bf16::from_f32(f32s(x)).to_ne_bytes()),
        (F16, FloatDType::BF16) => each(bytes, values, |x| {
            bf16::from_f32(f16s(x).to_f32()).to_ne_bytes()
        }),
        (BF16, FloatDType::BF16) => each(bytes, values, |x| bf16s(x).to_ne_bytes()),
        (F32, _) => each(bytes, values, |x| f32s(x).to_ne_bytes()),
        (F16, _) => each(bytes, values, |x| f16s(x).to_f32().to_ne_bytes()),
        (BF16, _) => each(bytes, values, |x| bf16s(x).to_f32().to_ne_bytes()),
    }
}

fn each<const N: usize, const M: usize>(
    bytes: &[u8],
    values: &mut [u8],
    value: impl Fn([u8; N]) -> [u8; M],
) {
    let (bytes, values) = (bytes.as_chunks().0, values.as_chunks_mut().0);
    debug_assert_eq!(bytes.len(), values.len());
    for (value_bytes, &stored) in values.iter_mut().zip(bytes) {
        *value_bytes = value(stored);
    }
}

/// Tensor data of type `dtype` made of the little-endian `bytes` of type `stored`.
pub(crate) fn from_bytes(
    bytes: &[u8],
    stored: StoredDtype,
    shape: &[usize],
    dtype: FloatDType,
    stay: Stay<'_>,
) -> TensorData {
    let fill = |values: &mut [u8]| {
        convert(bytes, stored, values, dtype);
        Ok::<_, Infallible>(())
    };
    let Ok(data) = tensor_data(shape, dtype, stay, fill);
    data
}

/// `values` as tensor data of type `dtype`.
pub(crate) fn from_f32(mut values: Vec<f32>, shape: Vec<usize>, dtype: FloatDType) -> TensorData {
    match dtype {
        FloatDType::F16 => TensorData::new(
            values.into_iter().map(f16::from_f32).collect::<Vec<_>>(),
            shape,
        ),
        FloatDType::BF16 => TensorData::new(
            values.into_iter().map(bf16::from_f32).collect::<Vec<_>>(),
            shape,
        ),
        _ => {
            values.shrink_to_fit();
            TensorData::new(values, shape)
        }
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
                let data = from_bytes(&bytes, stored, &[2, 2], dtype, Stay::Kept);
                assert_eq!(data.dtype(), dtype.into());
                assert_eq!(data.iter::<f32>().collect::<Vec<_>>(), values);
            }
        }
    }
}
