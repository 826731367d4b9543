use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use glm4v_config::{Preset, SizeBudget, VisionConfig};
use glm4v_model::{AttentionMethod, ComputeMode, VisionModel};
use glm4v_preprocess::Processor;
use glm4v_weights::{FileStates, LoaderOptions, PackedCache, Packing};

use super::VisionEncoder;
use crate::devices::{ComputeType, DeviceInfo, DeviceSpecs};
use crate::local_model::{LocalModel, ProcessorSource};
use crate::model_name::is_local;
use crate::plan::{BatchLimits, MemoryBudget, Target};
use crate::{EncodeOptions, Error, Plan};

/// Where and how an encoder is loaded.
///
/// ```
/// use glm4v::{ComputeType, LoadOptions, Preset, VisionEncoder};
///
/// let options = LoadOptions {
///     device: "flex".parse()?,
///     dtype: ComputeType::BF16,
///     max_memory: Some(1 << 30), // 1 GiB
///     ..LoadOptions::default()
/// };
/// let encoder = VisionEncoder::random(Preset::Tiny, 0, &options)?; // or load("zai-org/GLM-4.1V-9B-Thinking", …)
/// # Ok::<(), glm4v::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LoadOptions {
    /// The device, or several GPUs that share each batch. The default is `auto`.
    pub device: DeviceSpecs,
    /// The type that the tower computes in. The default is f32.
    pub dtype: ComputeType,
    /// The memory limit in bytes, for each GPU or for the process on a CPU. Weights that exceed it are not loaded.
    pub max_memory: Option<u64>,
    /// The largest tensor in bytes, if the device allows less than it reports.
    pub max_buffer: Option<u64>,
    /// How attention is computed. The default depends on the device (docs/parity.md).
    pub attention: Option<AttentionMethod>,
    /// Limits of the size of each image and video, in place of those of the checkpoint.
    pub budget: Option<SizeBudget>,
    /// The source of the processors' settings, in place of the checkpoint. GGUF files lack most settings ([`LocalModel`]).
    pub processor: Option<ProcessorSource>,
    /// The branch, tag or commit of a model on the hub. The default is `main`.
    pub revision: Option<String>,
    /// Whether a model on the hub is taken from the caches only.
    pub offline: bool,
    /// Where packed weights of the CPU kernels are kept for the next start. By default they are not kept.
    pub packed_cache: Option<PackedCache>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            device: DeviceSpecs::default(),
            dtype: ComputeType::F32,
            max_memory: None,
            max_buffer: None,
            attention: None,
            budget: None,
            processor: None,
            revision: None,
            offline: false,
            packed_cache: None,
        }
    }
}

impl VisionEncoder {
    /// Loads a published checkpoint in f32 onto the best device: a directory, an `mmproj` file of llama.cpp (GGUF), or the
    /// name of a model on the hub.
    ///
    /// Only the vision tower is read or fetched. Names need the feature `hub`.
    ///
    /// ```no_run
    /// let encoder = glm4v::VisionEncoder::from_pretrained("zai-org/GLM-4.1V-9B-Thinking")?;
    /// # Ok::<(), glm4v::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`VisionEncoder::load`].
    pub fn from_pretrained(source: impl AsRef<Path>) -> Result<Self, Error> {
        Self::load(source, &LoadOptions::default())
    }

    /// [`VisionEncoder::from_pretrained`] with options.
    ///
    /// # Errors
    /// [`Error::NoSuchModel`] if there is no such directory, file or model; [`Error::Config`] and [`Error::Weights`] for a file
    /// that is missing or damaged; [`Error::Device`] and [`Error::Dtype`] if a device cannot be used; [`Error::Memory`] and
    /// [`Error::Buffer`] if the weights do not fit.
    pub fn load(source: impl AsRef<Path>, options: &LoadOptions) -> Result<Self, Error> {
        let source = source.as_ref();
        let path = match is_local(source)? {
            true => source.to_owned(),
            false => hub_dir(source, options)?,
        };
        let model = LocalModel::open(path, options.processor.clone())?;
        let config = model.config()?;
        let processor = options.limited(model.processor()?)?;
        processor.check(&config)?;
        let checkpoint = model.checkpoint()?;
        let files = checkpoint.file_states()?;
        let load = |device: &Device, loader: LoaderOptions| {
            if let (Some(cache), ComputeMode::Cpu(precision)) = (&options.packed_cache, loader.mode)
            {
                let loaded = checkpoint.load_packed(&config, device, precision, cache);
                let (model, packing) = loaded?;
                return Ok((model, Some(packing)));
            }
            Ok((checkpoint.load(&config, device, loader)?.0, None))
        };
        let mut encoder = Self::build(&config, processor, options, load)?;
        encoder.files = Some(files);
        Ok(encoder)
    }

    /// The files of the weights as they were before they were read. `None` for an encoder that was not loaded from files.
    ///
    /// A fingerprint of the files is that of the encoder only if they did not change after that:
    ///
    /// ```no_run
    /// use glm4v::{VisionEncoder, weights::Checkpoint};
    ///
    /// let encoder = VisionEncoder::from_pretrained("GLM-4.1V-9B-Thinking")?;
    /// let loaded = encoder.file_states().expect("it was loaded from files");
    /// let checkpoint = Checkpoint::open("GLM-4.1V-9B-Thinking")?;
    /// let fingerprint = checkpoint.fingerprint_of(loaded, encoder.config())?;
    /// # Ok::<(), glm4v::Error>(())
    /// ```
    #[must_use]
    pub fn file_states(&self) -> Option<&FileStates> {
        self.files.as_ref()
    }

    /// A preset with random parameters, which are the same for the same `seed`.
    ///
    /// # Errors
    /// As [`VisionEncoder::load`], for the device and the memory.
    pub fn random(preset: Preset, seed: u64, options: &LoadOptions) -> Result<Self, Error> {
        let config = preset.vision();
        let processor = options.limited(Processor::from_preset(preset))?;
        let load = |device: &Device, loader: LoaderOptions| {
            let model = glm4v_weights::random(&config, seed, device, loader)?;
            Ok((model, None))
        };
        Self::build(&config, processor, options, load)
    }

    /// Checks each device before it loads the weights onto it.
    fn build(
        config: &VisionConfig,
        processor: Processor,
        options: &LoadOptions,
        load: impl Fn(&Device, LoaderOptions) -> Result<(VisionModel, Option<Packing>), Error>,
    ) -> Result<Self, Error> {
        let processor = Arc::new(processor);
        let devices = options.device.find()?.into_iter();
        let encoders = devices.map(|info| {
            let (device, target) = options.open(&info, config)?;
            let loader = LoaderOptions {
                mode: target.mode,
                max_split_bytes: target.max_buffer.unwrap_or(u64::MAX),
            };
            let (model, packing) = load(&device, loader)?;
            let encoder = Self::new(model, Arc::clone(&processor))?;
            Ok(encoder.map_replicas(|replica| {
                replica.packing.clone_from(&packing);
                replica.target = target;
                replica.memory.allowed = options.max_memory;
                replica.set_attention(options.attention.unwrap_or(replica.attention));
            }))
        });
        Self::combine(encoders.collect::<Result<_, Error>>()?)
    }
}

impl LoadOptions {
    fn limited(&self, processor: Processor) -> Result<Processor, Error> {
        match self.budget {
            None => Ok(processor),
            Some(budget) => Ok(processor.with_budget(budget)?),
        }
    }

    /// Opens a device, and checks that it computes in this type and that the weights fit.
    fn open(&self, info: &DeviceInfo, config: &VisionConfig) -> Result<(Device, Target), Error> {
        let refused = || Error::Dtype {
            device: format!("{} ({})", info.spec, info.name),
            dtype: self.dtype,
        };
        #[cfg(feature = "cuda")]
        if info.spec.backend == Some(crate::devices::Backend::Cuda)
            && self.dtype == ComputeType::F32
            && glm4v_model::fusion_is_on()
        {
            return Err(Error::Fusion);
        }
        let target = Target {
            max_buffer: self.max_buffer.or(info.max_buffer),
            ..info.target(self.dtype).ok_or_else(refused)?
        };
        let device = info.open()?;
        if let ComputeType::Float(dtype) = self.dtype
            && !device.supports_dtype(dtype)
        {
            return Err(refused());
        }
        let (options, limits) = (EncodeOptions::default(), BatchLimits::new(&target));
        let budget = MemoryBudget {
            allowed: self.max_memory,
            machine: None,
        };
        Plan::within(config, &[], target, &options, limits, budget)?;
        Ok((device, target))
    }
}

/// The cached directory of a model on the hub. A model that is not cached is fetched.
#[cfg(feature = "hub")]
fn hub_dir(source: &Path, options: &LoadOptions) -> Result<PathBuf, Error> {
    use glm4v_hub::{Hub, ModelId};

    let model: ModelId = source.to_string_lossy().parse()?;
    let hub = Hub::from_env()?.offline(options.offline);
    Ok(hub.checkpoint(&model, options.revision.as_deref(), &())?)
}

#[cfg(not(feature = "hub"))]
fn hub_dir(_: &Path, _: &LoadOptions) -> Result<PathBuf, Error> {
    unreachable!("without the hub every model is local")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use glm4v_weights::{Checkpoint, Encoding, WeightsError, WriteOptions, write_checkpoint};

    use super::*;

    #[test]
    fn an_encoder_knows_the_files_of_its_weights() {
        let dir = tempfile::tempdir().unwrap();
        let (preset, path) = (Preset::Tiny, dir.path().join("a"));
        let config = preset.vision();
        let write = |seed| {
            let options = WriteOptions {
                model_type: preset.model_type(),
                vision: &config,
                image_processor: &preset.image_processor(),
                video_processor: &preset.video_processor(),
                seed,
                encoding: Encoding::F32,
            };
            let _ = fs::remove_dir_all(&path);
            write_checkpoint(&path, &options).unwrap();
        };
        write(0);
        let encoder = VisionEncoder::from_pretrained(&path).unwrap();
        let fingerprint = || {
            let checkpoint = Checkpoint::open(&path).unwrap();
            checkpoint.fingerprint_of(encoder.file_states().unwrap(), &config)
        };
        fingerprint().unwrap();
        write(1);
        let error = fingerprint().unwrap_err();
        assert!(matches!(error, WeightsError::Changed { .. }), "{error}");
    }
}
