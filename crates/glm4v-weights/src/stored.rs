use burn::tensor::{FloatDType, TensorData};
use rayon::prelude::*;

use crate::file::WeightsFile;
use crate::values::{Stay, size, tensor_data};
use crate::{StoredDtype, WeightsError, convert};

/// Values that a thread reads at once.
const VALUES_AT_ONCE: usize = 1 << 19;

/// A tensor in a file.
pub(crate) struct Stored<'a> {
    pub(crate) file: &'a WeightsFile,
    /// Its first byte.
    pub(crate) start: u64,
    pub(crate) dtype: StoredDtype,
    pub(crate) shape: Vec<usize>,
}

impl Stored<'_> {
    /// `count` of its rows from `first` on, or as many as there are.
    pub(crate) fn rows(&self, first: usize, count: usize) -> Self {
        let row: usize = self.shape[1..].iter().product();
        let mut shape = self.shape.clone();
        shape[0] = count.min(shape[0] - first);
        Self {
            start: self.start + (first * row * self.dtype.size()) as u64,
            shape,
            ..*self
        }
    }

    /// Its values in type `dtype`, read and converted on all cores.
    pub(crate) fn data(
        &self,
        dtype: FloatDType,
        stay: Stay<'_>,
    ) -> Result<TensorData, WeightsError> {
        tensor_data(&self.shape, dtype, stay, |values| self.read(values, dtype))
    }

    fn read(&self, values: &mut [u8], dtype: FloatDType) -> Result<(), WeightsError> {
        let stored = self.dtype.size();
        let as_stored = cfg!(target_endian = "little") && dtype == self.dtype.float();
        values
            .par_chunks_mut(VALUES_AT_ONCE * size(dtype))
            .enumerate()
            .try_for_each_init(Vec::new, |bytes, (chunk, values)| {
                let position = self.start + (chunk * VALUES_AT_ONCE * stored) as u64;
                if as_stored {
                    return self.file.read_at(values, position);
                }
                bytes.resize(values.len() / size(dtype) * stored, 0);
                self.file.read_at(bytes, position)?;
                convert::convert(bytes, self.dtype, values, dtype);
                Ok(())
            })
    }
}
