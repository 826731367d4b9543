use std::fmt;
use std::ops::Range;
use std::path::Path;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use glm4v_config::{GridThw, Preset, VisionConfig};
use glm4v_model::{AttentionMethod, Pass, Stage, VisionModel, join};
use glm4v_preprocess::Patches;
use glm4v_weights::{Arithmetic, Checkpoint, Inspection};
use ndarray::{Array2, ArrayView2};

use crate::pieces::{Part, Piece, pieces};
use crate::plan::on_flex;
use crate::{Cut, Embeddings, Error, Plan, Processor, Target, device};

/// The vision encoder: a tower on its device, and the processor that feeds it.
pub struct VisionEncoder {
    model: VisionModel,
    processor: Processor,
    target: Target,
    cut: Cut,
    max_memory: u64,
    attention: AttentionMethod,
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
        let checkpoint = Checkpoint::open(dir)?.with_max_part_bytes(max_part_bytes(device));
        let (model, inspection) = checkpoint.load(&config, device, arithmetic(device, dtype))?;
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
        let model = glm4v_weights::random_in_parts(
            &preset.vision(),
            seed,
            device,
            arithmetic(device, dtype),
            max_part_bytes(device),
        )?;
        Self::new(model, Processor::of_preset(preset)?)
    }

    /// An encoder of a tower and a processor made elsewhere.
    ///
    /// # Errors
    /// [`Error::Disagreement`] where the two differ in patch or merge size.
    pub fn new(model: VisionModel, processor: Processor) -> Result<Self, Error> {
        processor.check(model.config())?;
        let target = Target {
            arithmetic: model.arithmetic(),
            on_host: device::is_host(&model.device()),
            max_buffer: device::max_buffer(&model.device()),
            devices: 1,
        };
        Ok(Self {
            attention: device::attention(&model.device()),
            model,
            processor,
            target,
            cut: Cut::usual(target.arithmetic),
            max_memory: u64::MAX,
        })
    }

    /// Cuts batches as `cut` says in place of [`Cut::usual`]: the smaller the parts, the less memory the device needs
    /// for a large batch, a long clip or a large picture.
    #[must_use]
    pub fn with_cut(self, cut: Cut) -> Self {
        Self { cut, ..self }
    }

    /// Cuts each batch until no tensor has more than `bytes`, on a device whose limit is not known of itself: one that a
    /// browser started.
    #[must_use]
    pub fn with_max_buffer(mut self, bytes: u64) -> Self {
        self.target.max_buffer = Some(bytes);
        self
    }

    /// Cuts each batch until it takes no more than `bytes` of the device's memory, or on a CPU of the process's, weights
    /// included ([`Plan::within`]); what takes more even so is refused before anything of it runs.
    #[must_use]
    pub fn with_max_memory(self, bytes: u64) -> Self {
        Self {
            max_memory: bytes,
            ..self
        }
    }

    /// Attends by `method` in place of what docs/parity.md says of the device: on GPUs [`AttentionMethod::Plain`], on CPUs
    /// the backend's own. On flex, in f32 and bf16, the tower's own kernels attend, and this changes nothing.
    #[must_use]
    pub fn with_attention(self, method: AttentionMethod) -> Self {
        Self {
            attention: method,
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

    /// What encoding a batch of `grids` takes here, and how it is cut.
    ///
    /// # Errors
    /// [`Error::Memory`] and [`Error::Buffer`] for what does not fit, however it is cut.
    pub fn plan(&self, grids: &[GridThw]) -> Result<Plan, Error> {
        self.plan_parts(&Part::of_grids(grids))
    }

    /// The embeddings of a packed batch. On a GPU this returns before the device is done; reading the values waits.
    ///
    /// A large batch is encoded piece by piece, as [`VisionEncoder::plan`] says.
    ///
    /// # Errors
    /// [`Error::Patches`] for patches that are not this tower's, and those of [`VisionEncoder::plan`].
    pub fn encode(&self, patches: &Patches) -> Result<Embeddings, Error> {
        self.check(patches)?;
        let embeddings = self.encode_from(patches, 0, &Part::of_patches(patches))?;
        Ok(self.embeddings(embeddings, patches))
    }

    pub(crate) fn plan_parts(&self, parts: &[Part]) -> Result<Plan, Error> {
        Plan::from_cut(self.config(), parts, self.target, self.cut, self.max_memory)
    }

    /// The embeddings of `parts`, whose first row is row `first` of the batch.
    pub(crate) fn encode_from(
        &self,
        patches: &Patches,
        first: usize,
        parts: &[Part],
    ) -> Result<Tensor<2>, Error> {
        let cut = self.plan_parts(parts)?.cut;
        let encode = |piece: Piece| {
            let rows = first + piece.rows.start..first + piece.rows.end;
            let pixel_values = self.upload(patches, rows);
            let pass = self.pass(cut, None);
            self.model
                .forward_with(pixel_values, &piece.grids(), pass)
                .embeddings
        };
        let outputs = pieces(parts, cut.max_patches).map(encode);
        Ok(join(outputs.collect(), 0))
    }

    pub(crate) fn pass<'a>(
        &self,
        cut: Cut,
        observer: Option<&'a mut dyn FnMut(Stage, Tensor<2>)>,
    ) -> Pass<'a> {
        Pass {
            max_score_bytes: cut.max_score_bytes,
            attention: self.attention,
            observer,
        }
    }

    /// Encodes gray pictures of `grids`, as one batch, and waits: kernels are compiled for these sizes, and where burn's
    /// `autotune` is built in, the fastest are found.
    ///
    /// # Errors
    /// Those of [`VisionEncoder::encode`]; [`Error::Execution`] where the device fails.
    pub fn warmup(&self, grids: &[GridThw]) -> Result<(), Error> {
        let config = self.config();
        let (frames, whole) = (config.temporal_patch_size, config.patch_dim());
        let gray = |&grid: &GridThw| {
            let rows = |width| Array2::zeros((grid.num_patches(), width));
            match grid.t {
                1 => Patches::stills(rows(whole / frames), vec![grid], frames),
                _ => Patches::new(rows(whole), vec![grid]),
            }
        };
        let gray = grids.iter().map(gray).collect::<Result<Vec<_>, _>>()?;
        let embeddings = self.encode(&Patches::concat(&gray)?)?;
        embeddings.into_values().map(drop)
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
        let pass = self.pass(self.cut, observer);
        let output = self.model.forward_with(pixel_values, patches.grids(), pass);
        Ok(self.embeddings(output.embeddings, patches))
    }

    pub(crate) fn check(&self, patches: &Patches) -> Result<(), Error> {
        let config = self.config();
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
        let whole = config.patch_dim();
        if patches.row_len() != whole {
            return Err(Error::Patches {
                expected: format!("rows of {whole} values"),
                found: patches.row_len().to_string(),
            });
        }
        let still = whole / config.temporal_patch_size;
        let mut held = patches.iter().map(|item| item.rows.ncols());
        if let Some(odd) = held.find(|width| ![whole, still].contains(width)) {
            return Err(Error::Patches {
                expected: format!("rows of stills of {still} values"),
                found: odd.to_string(),
            });
        }
        Ok(())
    }

    /// Rows of the batch on the device, those of stills as they are held.
    pub(crate) fn upload(&self, patches: &Patches, rows: Range<usize>) -> Vec<Tensor<2>> {
        let device = self.model.device();
        let upload = |part: ArrayView2<'_, f32>| {
            let values = part.to_slice().expect("patch rows are contiguous");
            let data = TensorData::new(values.to_vec(), [part.nrows(), part.ncols()]);
            Tensor::from_data(data, (&device, DType::F32))
        };
        patches.parts(rows).into_iter().map(upload).collect()
    }

    pub(crate) fn embeddings(&self, embeddings: Tensor<2>, patches: &Patches) -> Embeddings {
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

fn arithmetic(device: &Device, dtype: FloatDType) -> Arithmetic {
    match device::is_flex(device) {
        true => on_flex(dtype),
        false => Arithmetic::Device(dtype),
    }
}

/// Bytes of a weight that are held together.
fn max_part_bytes(device: &Device) -> u64 {
    device::max_buffer(device).unwrap_or(u64::MAX)
}

fn check_dtype(device: &Device, dtype: FloatDType) -> Result<(), Error> {
    if device.supports_dtype(dtype) {
        return Ok(());
    }
    let device = format!("{device:?}");
    Err(Error::Dtype { device, dtype })
}
