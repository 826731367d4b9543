use std::fmt;
use std::ops::Range;
use std::path::Path;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use glm4v_config::{Preset, VisionConfig};
use glm4v_model::{Precision, Stage, VisionModel};
use glm4v_preprocess::Patches;
use glm4v_weights::{Arithmetic, Checkpoint, Inspection};

use crate::pieces::pieces;
use crate::{Embeddings, Error, Processor};

/// More patches than this are not encoded at once, so that the device's memory depends on the largest frame and not on
/// how many there are.
const MAX_PATCHES: usize = 16_384;
/// The same where products run on the host: rows of fewer patches stay in its caches, and eight photos at once took an
/// eighth longer than one after another.
const MAX_PATCHES_ON_HOST: usize = 1024;

/// The vision encoder: a tower on its device, and the processor that feeds it.
pub struct VisionEncoder {
    model: VisionModel,
    processor: Processor,
    max_patches: usize,
}

impl VisionEncoder {
    /// Loads a checkpoint's vision side in f32: `config.json`, `preprocessor_config.json` and the weights in `dir`.
    ///
    /// # Errors
    /// [`Error`] for a file that is missing or damaged, or a tensor that does not fit.
    pub fn from_dir(dir: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let (encoder, _) = Self::from_dir_with(dir, device, FloatDType::F32)?;
        Ok(encoder)
    }

    /// [`VisionEncoder::from_dir`] with the parameters cast to `dtype`, and a report of what was read.
    ///
    /// # Errors
    /// As [`VisionEncoder::from_dir`]; [`Error::Dtype`] where the device cannot compute in `dtype`.
    pub fn from_dir_with(
        dir: impl AsRef<Path>,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<(Self, Inspection), Error> {
        check_dtype(device, dtype)?;
        let dir = dir.as_ref();
        let config = VisionConfig::from_file(dir.join("config.json"))?;
        let processor = Processor::from_dir(dir)?;
        processor.check(&config)?;
        let (model, inspection) =
            Checkpoint::open(dir)?.load(&config, device, arithmetic(device, dtype))?;
        Ok((Self::new(model, processor)?, inspection))
    }

    /// A preset with random f32 parameters, the same for the same `seed`.
    ///
    /// For a tower of one's own configuration see [`VisionEncoder::new`] and [`crate::random_model`].
    ///
    /// # Errors
    /// [`Error::Dtype`] where the device cannot compute in f32.
    pub fn random(preset: Preset, seed: u64, device: &Device) -> Result<Self, Error> {
        Self::random_with(preset, seed, device, FloatDType::F32)
    }

    /// [`VisionEncoder::random`] with the parameters cast to `dtype`.
    ///
    /// # Errors
    /// [`Error::Dtype`] where the device cannot compute in `dtype`.
    pub fn random_with(
        preset: Preset,
        seed: u64,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, Error> {
        check_dtype(device, dtype)?;
        let model =
            glm4v_weights::random(&preset.vision(), seed, device, arithmetic(device, dtype))?;
        Self::new(model, Processor::of_preset(preset)?)
    }

    /// An encoder of a tower and a processor made elsewhere.
    ///
    /// # Errors
    /// [`Error::Disagreement`] where the two differ in patch or merge size.
    pub fn new(model: VisionModel, processor: Processor) -> Result<Self, Error> {
        processor.check(model.config())?;
        let max_patches = match model.multiplies_on_host() {
            true => MAX_PATCHES_ON_HOST,
            false => MAX_PATCHES,
        };
        Ok(Self {
            model,
            processor,
            max_patches,
        })
    }

    /// Encodes at most `patches` patches at once, of whole frames, in place of 16,384 (on flex 1,024); a larger frame goes
    /// alone. The fewer, the less memory the device needs for a large batch or a long clip. The result is the same up to
    /// rounding.
    #[must_use]
    pub fn with_max_patches(self, patches: usize) -> Self {
        Self {
            max_patches: patches,
            ..self
        }
    }

    /// The tower's configuration.
    #[must_use]
    pub fn config(&self) -> &VisionConfig {
        self.model.config()
    }

    /// The tower.
    #[must_use]
    pub fn model(&self) -> &VisionModel {
        &self.model
    }

    /// The processor that makes patches for this tower.
    #[must_use]
    pub fn processor(&self) -> &Processor {
        &self.processor
    }

    /// The embeddings of a packed batch. On a GPU this returns before the device is done; reading the values waits.
    ///
    /// A large batch is encoded piece by piece ([`VisionEncoder::with_max_patches`]).
    ///
    /// # Errors
    /// [`Error::Patches`] for patches that are not this tower's.
    pub fn encode(&self, patches: &Patches) -> Result<Embeddings, Error> {
        self.check(patches)?;
        let outputs = pieces(patches.grids(), self.max_patches)
            .into_iter()
            .map(|piece| {
                let pixel_values = self.upload(patches, piece.rows);
                self.model.forward(pixel_values, &piece.frames).embeddings
            });
        Ok(self.embeddings(Tensor::cat(outputs.collect(), 0), patches))
    }

    /// The embeddings of a packed batch in one pass, however large it is, showing `observer` the output of each stage
    /// of the tower.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode`].
    pub fn encode_observed(
        &self,
        patches: &Patches,
        observer: Option<&mut dyn FnMut(Stage, Tensor<2>)>,
    ) -> Result<Embeddings, Error> {
        self.check(patches)?;
        let pixel_values = self.upload(patches, 0..patches.num_patches());
        let output = self
            .model
            .forward_observed(pixel_values, patches.grids(), observer);
        Ok(self.embeddings(output.embeddings, patches))
    }

    fn check(&self, patches: &Patches) -> Result<(), Error> {
        let config = self.config();
        let width = patches.pixel_values().ncols();
        if width != config.patch_dim() {
            return Err(Error::Patches {
                expected: format!("rows of {} values", config.patch_dim()),
                found: width.to_string(),
            });
        }
        let merge = config.spatial_merge_size;
        let broken = patches
            .grids()
            .iter()
            .find(|grid| grid.num_patches() == 0 || grid.h % merge != 0 || grid.w % merge != 0);
        if patches.grids().is_empty() || broken.is_some() {
            return Err(Error::Patches {
                expected: format!("at least one grid, each of whole {merge}×{merge} blocks"),
                found: broken.map_or("none".to_owned(), ToString::to_string),
            });
        }
        Ok(())
    }

    fn upload(&self, patches: &Patches, rows: Range<usize>) -> Tensor<2> {
        let width = self.config().patch_dim();
        let values = patches.pixel_values().as_slice();
        let values =
            &values.expect("patch rows are contiguous")[rows.start * width..rows.end * width];
        let data = TensorData::new(values.to_vec(), [rows.len(), width]);
        Tensor::from_data(data, (&self.model.device(), DType::F32))
    }

    fn embeddings(&self, embeddings: Tensor<2>, patches: &Patches) -> Embeddings {
        Embeddings {
            embeddings,
            grids: patches.grids().to_vec(),
            spatial_merge_size: self.config().spatial_merge_size,
        }
    }
}

impl fmt::Debug for VisionEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisionEncoder")
            .field("config", self.config())
            .field("processor", &self.processor)
            .field("device", &self.model.device())
            .finish()
    }
}

/// On flex, our own kernels; they know no f16.
fn arithmetic(device: &Device, dtype: FloatDType) -> Arithmetic {
    #[cfg(feature = "flex")]
    if *device == Device::flex() {
        return match dtype {
            FloatDType::F32 => Arithmetic::Host(Precision::F32),
            FloatDType::BF16 => Arithmetic::Host(Precision::fastest_for_bf16()),
            other => Arithmetic::Device(other),
        };
    }
    Arithmetic::Device(dtype)
}

fn check_dtype(device: &Device, dtype: FloatDType) -> Result<(), Error> {
    if device.supports_dtype(dtype) {
        return Ok(());
    }
    let device = format!("{device:?}");
    Err(Error::Dtype { device, dtype })
}
