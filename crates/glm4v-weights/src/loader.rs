use std::collections::HashMap;
use std::collections::hash_map::Entry;

use burn::tensor::Device;
use glm4v_config::{ConfigError, VisionConfig};
use glm4v_model::{ComputeMode, TowerBuilder, VisionModel};
use glm4v_shards::Encoding;

use crate::WeightsError;
use crate::cpu::CpuTensors;
use crate::device::DeviceTensors;
use crate::incoming::Incoming;

/// Bytes of a slice that is converted, where a whole tensor cannot be used as it is stored.
const SLICE_BYTES: u64 = 16 << 20;

/// How a [`Loader`] builds a tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderOptions {
    /// How the tower computes.
    pub mode: ComputeMode,
    /// On a device, larger weights are split by rows. Some devices bind no larger buffers, such as WebGPU with its
    /// `maxStorageBufferBindingSize`.
    pub max_split_bytes: u64,
}

impl From<ComputeMode> for LoaderOptions {
    /// Weights are not split.
    fn from(mode: ComputeMode) -> Self {
        let max_split_bytes = u64::MAX;
        Self {
            mode,
            max_split_bytes,
        }
    }
}

/// Builds a tower from the bytes of its tensors, as they arrive from a file or a network.
///
/// Tensors may arrive in any order. The bytes of one tensor must arrive in order, in slices of any length. Slices of
/// different tensors may alternate.
///
/// Each tensor is packed or uploaded as soon as it is complete. A slice that is a whole f32 or bf16 tensor is packed without
/// a copy, if it is aligned.
///
/// ```
/// use burn::tensor::Device;
/// use glm4v_config::VisionConfig;
/// use glm4v_model::{ComputeMode, Precision};
/// use glm4v_weights::{Encoding, Loader};
///
/// # let config = glm4v_config::Preset::Tiny.vision();
/// let mode = ComputeMode::Cpu(Precision::F32);
/// let mut loader = Loader::new(&config, &Device::flex(), mode)?;
/// for parameter in config.parameters() {
///     let bytes = vec![0; 2 * parameter.num_elements() as usize];
///     for slice in bytes.chunks(1 << 20) {
///         loader.write(&parameter.key, Encoding::Bf16, slice)?;
///     }
/// }
/// let model = loader.finish()?;
/// # assert_eq!(model.config(), &config);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Loader {
    shapes: Shapes,
    incoming: HashMap<String, Incoming>,
    tensors: Tensors,
}

/// The shape of each parameter.
pub(crate) type Shapes = HashMap<String, Vec<usize>>;

#[derive(Debug)]
enum Tensors {
    Cpu(CpuTensors),
    Device(DeviceTensors),
}

impl Loader {
    /// A loader for the tower of `config`.
    ///
    /// # Errors
    /// [`ConfigError`] for a configuration that is not valid.
    pub fn new(
        config: &VisionConfig,
        device: &Device,
        options: impl Into<LoaderOptions>,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let options = options.into();
        let parameters = config.parameters().into_iter();
        Ok(Self {
            shapes: parameters.map(|p| (p.key, p.shape)).collect(),
            incoming: HashMap::new(),
            tensors: match TowerBuilder::new(config, device, options.mode) {
                TowerBuilder::Cpu(builder) => Tensors::Cpu(CpuTensors::new(builder)),
                TowerBuilder::Device(builder) => {
                    Tensors::Device(DeviceTensors::new(builder, options.max_split_bytes))
                }
            },
        })
    }

    /// Adds the next bytes of the tensor `key`, a key of [`VisionConfig::parameters`]. Values are little-endian.
    ///
    /// # Errors
    /// - [`WeightsError::Length`] for bytes past the end of the tensor, or of a tensor that is not in the configuration
    /// - [`WeightsError::Device`] if the device fails
    ///
    /// # Panics
    /// If `encoding` is not the same for all bytes of a tensor.
    pub fn write(
        &mut self,
        key: &str,
        encoding: Encoding,
        bytes: &[u8],
    ) -> Result<(), WeightsError> {
        let Some(shape) = self.shapes.get(key) else {
            return Err(WeightsError::length(key, 0, bytes.len() as u64));
        };
        let incoming = match self.incoming.entry(key.to_owned()) {
            Entry::Occupied(incoming) => incoming.into_mut(),
            Entry::Vacant(place) => place.insert(Incoming::new(shape, encoding)),
        };
        assert_eq!(incoming.encoding, encoding, "the encoding of `{key}`");
        let (total, received) = (
            incoming.total_bytes(),
            incoming.received_bytes + bytes.len() as u64,
        );
        if received > total {
            return Err(WeightsError::length(key, total, received));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.tensors {
            Tensors::Cpu(tensors) => {
                tensors.write(key, incoming, bytes);
                Ok(())
            }
            Tensors::Device(tensors) => tensors.write(key, incoming, bytes),
        }
    }

    /// Builds the tower, after all bytes of all tensors.
    ///
    /// # Errors
    /// [`WeightsError::Length`] for a tensor whose bytes are missing.
    pub fn finish(self) -> Result<VisionModel, WeightsError> {
        let (shapes, builder) = self.complete()?;
        build(builder, &shapes)
    }

    /// The builder with all tensors, if no bytes are missing, and the shapes of the parameters.
    pub(crate) fn complete(self) -> Result<(Shapes, TowerBuilder), WeightsError> {
        let incomplete = self
            .incoming
            .iter()
            .filter(|(_, tensor)| !tensor.is_complete());
        if let Some((key, tensor)) = incomplete.min_by_key(|(key, _)| *key) {
            let (total, received) = (tensor.total_bytes(), tensor.received_bytes);
            return Err(WeightsError::length(key, total, received));
        }
        let builder = match self.tensors {
            Tensors::Cpu(tensors) => TowerBuilder::Cpu(tensors.builder),
            Tensors::Device(tensors) => TowerBuilder::Device(tensors.builder),
        };
        Ok((self.shapes, builder))
    }

    /// The best length of slices of a tensor that has `bytes` bytes in `encoding`.
    pub(crate) fn slice_bytes(&self, encoding: Encoding, bytes: u64) -> u64 {
        match (&self.tensors, encoding) {
            (Tensors::Cpu(_), Encoding::F32 | Encoding::Bf16) => bytes,
            (Tensors::Cpu(_), Encoding::F16 | Encoding::Q8_0) | (Tensors::Device(_), _) => {
                bytes.min(SLICE_BYTES)
            }
        }
    }
}

pub(crate) fn build(builder: TowerBuilder, shapes: &Shapes) -> Result<VisionModel, WeightsError> {
    builder.build().map_err(|missing| {
        let len = shapes[&missing.key].iter().product::<usize>() as u64;
        WeightsError::length(&missing.key, Encoding::Bf16.bytes(len), 0)
    })
}

#[cfg(test)]
pub(crate) mod tests;
