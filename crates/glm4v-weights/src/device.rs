use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use glm4v_model::{DeviceBuilder, join};
use glm4v_shards::Encoding;
use half::{bf16, f16};

use crate::WeightsError;
use crate::convert::{self, Value};
use crate::incoming::Incoming;

/// Bytes that are converted before they are uploaded. A browser has little memory, so a tensor has several slices there.
const SLICE_BYTES: usize = if cfg!(target_family = "wasm") {
    4 << 20
} else {
    usize::MAX
};

/// Converts tensors and uploads them slice by slice. Large tensors are split by rows.
#[derive(Debug)]
pub(crate) struct DeviceTensors {
    pub(crate) builder: DeviceBuilder,
    max_split_bytes: u64,
    /// Incomplete tensors
    uploads: HashMap<String, Upload>,
}

/// The values of one tensor.
#[derive(Debug)]
struct Upload {
    /// Values of the tensor, of one split, and of one slice
    len: usize,
    split_len: usize,
    slice_len: usize,
    /// Number of values that have arrived
    position: usize,
    /// Values that are not uploaded
    pending: Box<dyn Pending>,
    /// The slices of an incomplete split
    slices: Vec<Tensor<1>>,
    splits: Vec<Tensor<1>>,
}

impl DeviceTensors {
    pub(crate) fn new(builder: DeviceBuilder, max_split_bytes: u64) -> Self {
        Self {
            builder,
            max_split_bytes,
            uploads: HashMap::new(),
        }
    }

    pub(crate) fn write(
        &mut self,
        key: &str,
        incoming: &mut Incoming,
        bytes: &[u8],
    ) -> Result<(), WeightsError> {
        let dtype = self.builder.dtype();
        let upload = match self.uploads.entry(key.to_owned()) {
            Entry::Occupied(upload) => upload.into_mut(),
            Entry::Vacant(place) => place.insert(Upload::new(
                incoming,
                dtype,
                self.max_split_bytes,
                SLICE_BYTES,
            )),
        };
        let (encoding, device) = (incoming.encoding, self.builder.device());
        incoming.receive(bytes, |blocks| {
            upload.append(blocks, encoding, device, dtype)
        })?;
        if incoming.is_complete()
            && let Some(upload) = self.uploads.remove(key)
        {
            self.builder.add(key, upload.splits);
        }
        Ok(())
    }
}

impl Upload {
    fn new(
        incoming: &Incoming,
        dtype: FloatDType,
        max_split_bytes: u64,
        slice_bytes: usize,
    ) -> Self {
        let value_bytes = DType::from(dtype).size();
        Self {
            len: incoming.len(),
            split_len: incoming.row_len * rows_of_split(incoming, value_bytes, max_split_bytes),
            slice_len: slice_bytes / value_bytes,
            position: 0,
            pending: match dtype {
                FloatDType::F16 => Box::new(Buffer::<f16>::default()),
                FloatDType::BF16 => Box::new(Buffer::<bf16>::default()),
                FloatDType::F64 | FloatDType::F32 | FloatDType::Flex32 => {
                    Box::new(Buffer::<f32>::default())
                }
            },
            slices: Vec::new(),
            splits: Vec::new(),
        }
    }

    fn append(
        &mut self,
        mut blocks: &[u8],
        encoding: Encoding,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<(), WeightsError> {
        while !blocks.is_empty() {
            let split_end = (self.position / self.split_len + 1) * self.split_len;
            let split_end = split_end.min(self.len);
            if self.pending.space() == 0 {
                let len = (split_end - self.position).min(self.slice_len);
                self.pending.allocate(len);
            }
            let bytes = encoding.bytes(self.pending.space() as u64) as usize;
            let (now, later) = blocks.split_at(bytes.min(blocks.len()));
            self.position += self.pending.append(now, encoding);
            blocks = later;
            if self.pending.space() == 0 {
                self.upload_slice(device, dtype)?;
            }
            if self.position == split_end {
                let slices = std::mem::take(&mut self.slices);
                self.splits.push(join(slices, 0));
            }
        }
        Ok(())
    }

    fn upload_slice(&mut self, device: &Device, dtype: FloatDType) -> Result<(), WeightsError> {
        let slice = Tensor::from_data(self.pending.take(), (device, dtype.into()));
        self.slices.push(slice);
        // The queue of the device keeps the values until it is flushed.
        let flushed = device.flush();
        flushed.map_err(|error| WeightsError::Device(error.to_string()))
    }
}

/// The number of rows in a split of at most `max_bytes`, but at least one.
fn rows_of_split(incoming: &Incoming, value_bytes: usize, max_bytes: u64) -> usize {
    let row_bytes = (incoming.row_len * value_bytes) as u64;
    (max_bytes / row_bytes).clamp(1, incoming.rows as u64) as usize
}

/// Converted values that are not uploaded.
trait Pending: Debug + Send {
    /// Allocates memory for the `len` values of a slice.
    fn allocate(&mut self, len: usize);
    /// Number of values that are missing in the slice.
    fn space(&self) -> usize;
    /// Appends the values of `blocks`, and returns their number.
    fn append(&mut self, blocks: &[u8], encoding: Encoding) -> usize;
    /// The values of the slice.
    fn take(&mut self) -> TensorData;
}

#[derive(Debug, Default)]
struct Buffer<T> {
    /// Values of the whole slice. Those from `position` on are zero.
    values: Vec<T>,
    position: usize,
}

impl<T: Value + Default> Pending for Buffer<T> {
    fn allocate(&mut self, len: usize) {
        // The system provides zeros without writing them, so the cores that convert are the first to write.
        self.values = bytemuck::zeroed_vec(len);
        self.position = 0;
    }

    fn space(&self) -> usize {
        self.values.len() - self.position
    }

    fn append(&mut self, blocks: &[u8], encoding: Encoding) -> usize {
        let count = convert::write(&mut self.values[self.position..], blocks, encoding);
        self.position += count;
        count
    }

    fn take(&mut self) -> TensorData {
        let values = std::mem::take(self).values;
        let shape = [values.len()];
        TensorData::new(values, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The splits of `values`, which arrive in slices of `cut` bytes.
    fn splits(
        values: &[f32],
        shape: &[usize],
        cut: usize,
        max_split_bytes: u64,
        slice_bytes: usize,
    ) -> Vec<Tensor<1>> {
        let (device, encoding, dtype) = (Device::flex(), Encoding::F32, FloatDType::F32);
        let mut incoming = Incoming::new(shape, encoding);
        let mut upload = Upload::new(&incoming, dtype, max_split_bytes, slice_bytes);
        for bytes in convert::encode(values, encoding).chunks(cut) {
            let append = |blocks: &[u8]| upload.append(blocks, encoding, &device, dtype);
            incoming.receive(bytes, append).unwrap();
        }
        assert!(incoming.is_complete());
        upload.splits
    }

    fn joined(splits: Vec<Tensor<1>>) -> Vec<f32> {
        join(splits, 0).into_data().iter().collect()
    }

    #[test]
    fn splits_have_whole_rows() {
        let rows = |shape: &[usize], bytes| {
            let incoming = Incoming::new(shape, Encoding::F32);
            rows_of_split(&incoming, 2, bytes)
        };
        assert_eq!(rows(&[10, 3, 2], u64::MAX), 10);
        assert_eq!(rows(&[10, 3, 2], 120), 10);
        assert_eq!(rows(&[10, 3, 2], 119), 9);
        assert_eq!(rows(&[10, 3, 2], 25), 2);
        assert_eq!(rows(&[10, 3, 2], 1), 1);
        assert_eq!(rows(&[7], 4), 2);
    }

    #[test]
    fn a_large_weight_is_split_by_rows() {
        // 20 rows of 4 · 24 values
        let values: Vec<f32> = (0..20 * 96).map(|index| index as f32).collect();
        for cut in [1, 7, 1000, 1 << 20] {
            let splits = splits(&values, &[20, 24, 2, 2], cut, 3000, usize::MAX);
            let rows: Vec<_> = splits.iter().map(|split| split.dims()[0] / 96).collect();
            assert_eq!(rows, [7, 7, 6]);
            assert_eq!(joined(splits), values);
        }
    }

    #[test]
    fn tensors_longer_than_a_slice_are_joined() {
        let values: Vec<f32> = (0..1000).map(|index| index as f32).collect();
        for (cut, max_split_bytes, count) in
            [(3, u64::MAX, 1), (1000, u64::MAX, 1), (1 << 20, 1500, 3)]
        {
            let splits = splits(&values, &[100, 10], cut, max_split_bytes, 256);
            assert_eq!(splits.len(), count);
            assert_eq!(joined(splits), values);
        }
    }
}
