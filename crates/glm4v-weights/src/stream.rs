use std::collections::HashMap;
use std::collections::hash_map::Entry;

use burn::tensor::{Device, FloatDType, Tensor};
use glm4v_config::{ConfigError, VisionConfig};
use glm4v_model::{HostWeight, ParameterSource, VisionModel, join};

use crate::parts::rows_of_part;
use crate::rooms::Rooms;
use crate::values::Stay;
use crate::{Arithmetic, StoredDtype, WeightsError, convert};

/// Stored bytes that are converted and moved to the device at once: few enough for a small heap, enough for a busy bus.
const SLICE_BYTES: usize = 4 << 20;

/// A tower's parameters as their bytes arrive, from a network or a file that is read elsewhere: tensors in any order, the
/// bytes of one from first to last, cut anywhere.
///
/// For a device, bytes are converted and moved in slices of 4 MiB, so that the host never holds a whole tensor. For the
/// host's kernels all tensors are held until [`Stream::finish`] packs them.
#[derive(Debug)]
pub struct Stream {
    config: VisionConfig,
    device: Device,
    arithmetic: Arithmetic,
    max_part_bytes: u64,
    shapes: HashMap<String, Vec<usize>>,
    tensors: HashMap<String, Arriving>,
    rooms: Rooms,
}

/// One tensor, so far.
#[derive(Debug)]
struct Arriving {
    stored: StoredDtype,
    /// Stored bytes of all of it, and of one part: whole rows.
    total: usize,
    part: usize,
    /// Bytes that came, and the last of them, which wait for a slice to be full.
    received: usize,
    pending: Vec<u8>,
    /// Slices of the part that is being filled, and the parts that are full.
    slices: Vec<Tensor<1>>,
    parts: Vec<Tensor<1>>,
}

impl Stream {
    /// Expects the parameters of the tower that `config` describes.
    ///
    /// # Errors
    /// [`ConfigError`] for a configuration that is not valid.
    pub fn new(
        config: &VisionConfig,
        device: &Device,
        arithmetic: impl Into<Arithmetic>,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let parameters = config.parameters().into_iter();
        Ok(Self {
            config: config.clone(),
            device: device.clone(),
            arithmetic: arithmetic.into(),
            max_part_bytes: u64::MAX,
            shapes: parameters
                .map(|parameter| (parameter.key, parameter.shape))
                .collect(),
            tensors: HashMap::new(),
            rooms: Rooms::default(),
        })
    }

    /// Holds a weight of more than `bytes` in parts, for a device that binds no more at once
    /// (WebGPU's `maxStorageBufferBindingSize`).
    #[must_use]
    pub fn with_max_part_bytes(self, bytes: u64) -> Self {
        Self {
            max_part_bytes: bytes,
            ..self
        }
    }

    /// Takes the next bytes of the tensor `key` (without the checkpoint's prefix), little-endian values of type `stored`.
    ///
    /// # Errors
    /// [`WeightsError::Length`] for bytes beyond the tensor's end, or of a tensor that the tower does not have;
    /// [`WeightsError::Device`] where the device fails.
    ///
    /// # Panics
    /// If the type is another one than for the tensor's first bytes.
    pub fn write(
        &mut self,
        key: &str,
        stored: StoredDtype,
        bytes: &[u8],
    ) -> Result<(), WeightsError> {
        let Some(shape) = self.shapes.get(key) else {
            return Err(length(key, 0, bytes.len()));
        };
        let tensor = match self.tensors.entry(key.to_owned()) {
            Entry::Occupied(tensor) => tensor.into_mut(),
            Entry::Vacant(place) => {
                let row = shape[1..].iter().product::<usize>();
                let rows = rows_of_part(shape, self.arithmetic.dtype(), self.max_part_bytes);
                place.insert(Arriving {
                    stored,
                    total: size(shape, stored),
                    part: rows * row * stored.size(),
                    received: 0,
                    pending: Vec::new(),
                    slices: Vec::new(),
                    parts: Vec::new(),
                })
            }
        };
        assert_eq!(tensor.stored, stored, "the type of `{key}`");
        if bytes.len() > tensor.total - tensor.received {
            return Err(length(key, tensor.total, tensor.received + bytes.len()));
        }
        match self.arithmetic {
            Arithmetic::Host(_) => tensor.hold(bytes),
            Arithmetic::Device(dtype) => tensor.upload(bytes, &self.device, dtype)?,
        }
        Ok(())
    }

    /// Builds the tower.
    ///
    /// # Errors
    /// [`WeightsError::Length`] for the first tensor of which bytes are missing.
    pub fn finish(mut self) -> Result<VisionModel, WeightsError> {
        for parameter in self.config.parameters() {
            let key = &parameter.key;
            let (total, received) = match self.tensors.get(key) {
                Some(tensor) => (tensor.total, tensor.received),
                None => (size(&parameter.shape, StoredDtype::BF16), 0),
            };
            if received < total {
                return Err(length(key, total, received));
            }
        }
        let config = self.config.clone();
        VisionModel::new(&config, &mut self)
    }

    fn take(&mut self, key: &str) -> (Arriving, Vec<usize>) {
        let tensor = self.tensors.remove(key);
        let tensor = tensor.expect("every tensor is asked for once, and was counted");
        (tensor, self.shapes[key].clone())
    }
}

impl ParameterSource for Stream {
    type Error = WeightsError;

    fn tensor<const D: usize>(&mut self, key: &str) -> Result<Tensor<D>, WeightsError> {
        self.parts(key).map(|parts| join(parts, 0))
    }

    fn parts<const D: usize>(&mut self, key: &str) -> Result<Vec<Tensor<D>>, WeightsError> {
        let (tensor, shape) = self.take(key);
        if self.arithmetic.is_on_host() {
            let (bytes, stored) = (&tensor.pending, tensor.stored);
            let data = convert::from_bytes(bytes, stored, &shape, FloatDType::F32, Stay::Kept);
            return Ok(vec![Tensor::from_data(data, &self.device)]);
        }
        let row: usize = shape[1..].iter().product();
        let reshape = |part: Tensor<1>| {
            let mut shape: [usize; D] = shape[..].try_into().expect("a parameter's rank");
            shape[0] = part.dims()[0] / row;
            part.reshape(shape)
        };
        Ok(tensor.parts.into_iter().map(reshape).collect())
    }

    fn is_on_host(&self) -> bool {
        self.arithmetic.is_on_host()
    }

    fn host_weight(&mut self, key: &str) -> Result<Option<HostWeight>, WeightsError> {
        let Arithmetic::Host(precision) = self.arithmetic else {
            return Ok(None);
        };
        let (tensor, shape) = self.take(key);
        let dtype = tensor.stored.on_host();
        let (bytes, stored) = (&tensor.pending, tensor.stored);
        let values = convert::from_bytes(bytes, stored, &shape, dtype, Stay::Passing(&self.rooms));
        Ok(Some(HostWeight { values, precision }))
    }
}

impl Arriving {
    fn hold(&mut self, bytes: &[u8]) {
        if self.pending.is_empty() {
            self.pending.reserve_exact(self.total);
        }
        self.pending.extend_from_slice(bytes);
        self.received += bytes.len();
    }

    fn upload(
        &mut self,
        mut bytes: &[u8],
        device: &Device,
        dtype: FloatDType,
    ) -> Result<(), WeightsError> {
        while !bytes.is_empty() {
            let end_of_part = ((self.received / self.part + 1) * self.part).min(self.total);
            let room = (end_of_part - self.received).min(SLICE_BYTES - self.pending.len());
            let (taken, rest) = bytes.split_at(bytes.len().min(room));
            bytes = rest;
            self.pending.extend_from_slice(taken);
            self.received += taken.len();
            let part_is_full = self.received == end_of_part;
            if part_is_full || self.pending.len() == SLICE_BYTES {
                let shape = [self.pending.len() / self.stored.size()];
                let data =
                    convert::from_bytes(&self.pending, self.stored, &shape, dtype, Stay::Kept);
                self.slices
                    .push(Tensor::from_data(data, (device, dtype.into())));
                self.pending.clear();
                // Until then the queue holds the values.
                device
                    .flush()
                    .map_err(|error| WeightsError::Device(error.to_string()))?;
            }
            if part_is_full {
                self.parts.push(join(std::mem::take(&mut self.slices), 0));
            }
        }
        if self.received == self.total {
            self.pending = Vec::new();
        }
        Ok(())
    }
}

fn size(shape: &[usize], stored: StoredDtype) -> usize {
    shape.iter().product::<usize>() * stored.size()
}

fn length(key: &str, expected: usize, found: usize) -> WeightsError {
    WeightsError::Length {
        key: key.to_owned(),
        expected: expected as u64,
        found: found as u64,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use glm4v_config::GridThw;
    use glm4v_model::Precision;

    use super::*;
    use crate::random::{random, values};

    fn config() -> VisionConfig {
        VisionConfig {
            depth: 2,
            hidden_size: 24,
            num_heads: 3,
            image_size: 12,
            patch_size: 3,
            temporal_patch_size: 1,
            out_hidden_size: 20,
            intermediate_size: 28,
            ..VisionConfig::default()
        }
    }

    /// Feeds all tensors, the last one first, in cuts of `cut` bytes.
    fn feed(stream: &mut Stream, stored: StoredDtype, cut: usize) {
        for parameter in config().parameters().iter().rev() {
            let values = values(parameter, 5);
            for bytes in convert::to_bytes(&values, stored).chunks(cut) {
                stream.write(&parameter.key, stored, bytes).unwrap();
            }
        }
    }

    fn outputs(model: &VisionModel) -> Vec<f32> {
        let grids = [GridThw::new(1, 4, 6), GridThw::new(2, 2, 4)];
        let rows: usize = grids.iter().map(|grid| grid.num_patches()).sum();
        let width = config().patch_dim();
        let values = (0..rows * width).map(|index| ((index * 37) % 101) as f32 / 50.0 - 1.0);
        let data = TensorData::new(values.collect(), [rows, width]);
        let pixel_values = Tensor::from_data(data, &model.device());
        let output = model.forward(vec![pixel_values], &grids).embeddings;
        output.into_data().iter().collect()
    }

    fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_tower_of_arriving_bytes_is_that_of_the_values() {
        let device = Device::flex();
        for arithmetic in [
            Arithmetic::Device(FloatDType::F32),
            Arithmetic::Host(Precision::F32),
        ] {
            let expected = outputs(&random(&config(), 5, &device, arithmetic).unwrap());
            for (cut, part) in [(7, u64::MAX), (1 << 20, u64::MAX), (1001, 500), (3, 1)] {
                let stream = Stream::new(&config(), &device, arithmetic).unwrap();
                let mut stream = stream.with_max_part_bytes(part);
                feed(&mut stream, StoredDtype::F32, cut);
                let found = outputs(&stream.finish().unwrap());
                let difference = largest_difference(&found, &expected);
                assert!(
                    difference < 1e-5,
                    "{arithmetic:?}, {cut}, {part}: {difference}"
                );
            }
        }
    }

    #[test]
    fn tensors_longer_than_a_slice_are_put_together() {
        let device = Device::flex();
        let config = VisionConfig {
            intermediate_size: SLICE_BYTES / 4 / 20 + 1,
            ..config()
        };
        let mut stream = Stream::new(&config, &device, FloatDType::F32).unwrap();
        let key = "merger.gate_proj.weight";
        let length = 20 * config.intermediate_size;
        let values: Vec<f32> = (0..length).map(|index| index as f32).collect();
        for bytes in convert::to_bytes(&values, StoredDtype::F32).chunks(1_000_001) {
            stream.write(key, StoredDtype::F32, bytes).unwrap();
        }
        let found: Tensor<2> = stream.tensor(key).unwrap();
        assert_eq!(found.dims(), [config.intermediate_size, 20]);
        assert!(found.into_data().iter::<f32>().eq(values));
    }

    #[test]
    fn too_few_and_too_many_bytes_are_refused() {
        let stream = || Stream::new(&config(), &Device::flex(), FloatDType::F32).unwrap();
        let error = stream().finish().unwrap_err().to_string();
        assert!(
            error.contains("expected") && error.contains("found 0"),
            "{error}"
        );

        let mut long = stream();
        let key = "post_layernorm.weight";
        long.write(key, StoredDtype::BF16, &[0; 48]).unwrap();
        let error = long.write(key, StoredDtype::BF16, &[0; 2]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tensor `post_layernorm.weight`: expected 48 bytes, found 50"
        );

        let error = stream()
            .write("blocks.2.x", StoredDtype::F32, &[0; 4])
            .unwrap_err();
        assert!(matches!(
            error,
            WeightsError::Length {
                expected: 0,
                found: 4,
                ..
            }
        ));
    }
}
