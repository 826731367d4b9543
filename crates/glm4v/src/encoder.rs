mod embeddings;
mod extra;
mod load;
mod replica;

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use burn::tensor::{DType, Device, StreamId, Tensor, TensorData};
use glm4v_config::{GridThw, PatchKind, VisionConfig};
use glm4v_model::{AttentionMethod, CancelToken, Footprint, ForwardOptions, Observer, VisionModel};
use glm4v_preprocess::{Patches, Processor};
use glm4v_weights::{FileStates, Packing};
use image::DynamicImage;
use ndarray::Array2;

pub use self::embeddings::{Embeddings, values};
pub use self::extra::EncodeOutput;
pub use self::load::LoadOptions;
use self::replica::Replica;
use crate::batching::{FrameSpan, MicroBatch, shares};
use crate::plan::{BatchLimits, InputSize, MemoryBudget, Target};
use crate::{EncodeOptions, Error, Plan};

/// The vision encoder: a processor on the host, and a tower on one device or on several.
///
/// ```
/// use glm4v::{LoadOptions, Preset, VisionEncoder};
///
/// let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
/// let photo = glm4v::image::DynamicImage::new_rgb8(640, 480);
/// let embeddings = encoder.encode_images(&[photo])?;
/// assert_eq!(embeddings.tensor.dims(), [391, 256]); // [tokens, out_hidden_size]
/// # Ok::<(), glm4v::Error>(())
/// ```
pub struct VisionEncoder {
    replicas: Vec<Replica>,
    processor: Arc<Processor>,
    /// The files that the weights were loaded from
    files: Option<FileStates>,
}

impl VisionEncoder {
    /// An encoder of a tower and a processor.
    ///
    /// # Errors
    /// [`Error::Preprocess`] if their patches differ in size.
    pub fn new(model: VisionModel, processor: impl Into<Arc<Processor>>) -> Result<Self, Error> {
        let processor = processor.into();
        processor.check(model.config())?;
        Ok(Self {
            replicas: vec![Replica::new(model)],
            processor,
            files: None,
        })
    }

    /// One encoder on the devices of several encoders that have the same weights. Each batch is shared among the devices, and
    /// is as large as the batches of all encoders together. Each device keeps its other limits.
    ///
    /// # Errors
    /// [`Error::Replicas`] if there is no encoder, or if the configurations differ.
    pub fn combine(encoders: Vec<Self>) -> Result<Self, Error> {
        let found = |found: String| Error::Replicas { found };
        let mut encoders = encoders.into_iter();
        let mut all = encoders.next().ok_or_else(|| found("none".to_owned()))?;
        let mut patches = all.limits().max_batch_patches;
        for (index, other) in encoders.enumerate() {
            if other.config() != all.config() {
                let index = index + 1;
                return Err(found(format!("another configuration in encoder {index}")));
            }
            patches = patches.saturating_add(other.limits().max_batch_patches);
            all.replicas.extend(other.replicas);
        }
        Ok(all.map_replicas(|replica| replica.limits.max_batch_patches = patches))
    }

    /// Encodes within `limits` in place of [`BatchLimits::new`]. Smaller limits need less memory.
    #[must_use]
    pub fn with_limits(self, limits: BatchLimits) -> Self {
        self.map_replicas(|replica| replica.limits = limits)
    }

    /// Keeps every tensor below `bytes`, on a device whose limit is not known: one that a browser opened.
    #[must_use]
    pub fn with_max_buffer(self, bytes: u64) -> Self {
        self.map_replicas(|replica| replica.target.max_buffer = Some(bytes))
    }

    /// Limits the memory, for each GPU or for the process on a CPU. Batch limits shrink until a batch fits. A batch that does
    /// not fit is refused before it runs.
    #[must_use]
    pub fn with_max_memory(self, bytes: u64) -> Self {
        self.map_replicas(|replica| replica.memory.allowed = Some(bytes))
    }

    /// Limits the memory on a CPU to what the machine has, if no other limit is set ([`available_memory`]). Its errors name the
    /// machine.
    ///
    /// [`available_memory`]: crate::plan::available_memory
    #[must_use]
    pub fn with_machine_memory(self, bytes: u64) -> Self {
        let limit = |replica: &mut Replica| {
            if replica.target.shares_host_memory {
                replica.memory.machine = Some(bytes);
            }
        };
        self.map_replicas(limit)
    }

    /// Computes attention by `method`. The default is eager on GPUs and the backend's own on CPUs (docs/parity.md).
    ///
    /// This changes nothing on the CPU kernels, which have their own attention.
    #[must_use]
    pub fn with_attention(self, method: AttentionMethod) -> Self {
        self.map_replicas(|replica| replica.set_attention(method))
    }

    fn map_replicas(mut self, change: impl FnMut(&mut Replica)) -> Self {
        self.replicas.iter_mut().for_each(change);
        self
    }

    /// The configuration of the tower.
    #[must_use]
    pub fn config(&self) -> &VisionConfig {
        self.model().config()
    }

    /// The tower, on the first device.
    #[must_use]
    pub fn model(&self) -> &VisionModel {
        &self.replicas[0].model
    }

    /// The devices.
    pub fn devices(&self) -> impl Iterator<Item = Device> + '_ {
        self.replicas.iter().map(|replica| replica.model.device())
    }

    /// What [`LoadOptions::packed_cache`] did when this encoder was loaded.
    #[must_use]
    pub fn packing(&self) -> Option<&Packing> {
        self.replicas[0].packing.as_ref()
    }

    /// The processor that makes patches for this tower.
    #[must_use]
    pub fn processor(&self) -> &Arc<Processor> {
        &self.processor
    }

    /// The place where the tower runs. The smallest buffer of all devices counts.
    #[must_use]
    pub fn target(&self) -> Target {
        let targets = self.replicas.iter().map(|replica| replica.target);
        Target {
            max_buffer: targets.filter_map(|target| target.max_buffer).min(),
            devices: self.replicas.len(),
            ..self.replicas[0].target
        }
    }

    /// The limits of a batch, and those of the first device.
    #[must_use]
    pub fn limits(&self) -> BatchLimits {
        self.replicas[0].limits
    }

    /// The cost of encoding `inputs` with this encoder.
    ///
    /// # Errors
    /// [`Error::Memory`] and [`Error::Buffer`] if the smallest limits do not fit.
    pub fn plan(&self, inputs: &[InputSize]) -> Result<Plan, Error> {
        let limits = || self.replicas.iter().map(|replica| replica.memory);
        let budget = MemoryBudget {
            allowed: limits().filter_map(|limit| limit.allowed).min(),
            machine: limits().filter_map(|limit| limit.machine).min(),
        };
        let (options, target, limits) = (EncodeOptions::default(), self.target(), self.limits());
        Plan::within(self.config(), inputs, target, &options, limits, budget)
    }

    /// The embeddings of decoded images, as one batch.
    ///
    /// # Errors
    /// [`Error::Preprocess`] for an image that is refused, and as [`VisionEncoder::encode`].
    pub fn encode_images(&self, images: &[DynamicImage]) -> Result<Embeddings, Error> {
        self.encode(&self.processor.preprocess_images(images)?)
    }

    /// The embeddings of a packed batch, on the first device.
    ///
    /// On one GPU this returns before the GPU is done; reading the values waits.
    ///
    /// # Errors
    /// [`Error::Patches`] if the patches do not fit the tower; [`Error::Memory`] and [`Error::Buffer`] if the batch does not
    /// fit; [`Error::OnDevice`] if one of several devices fails.
    pub fn encode(&self, patches: &Patches) -> Result<Embeddings, Error> {
        self.encode_tensor(patches, None)
    }

    /// The embeddings of a packed batch as values on the host, row by row. Several devices work at the same time.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode`]; [`Error::Execution`] if the device fails.
    ///
    /// # Panics
    /// If burn panics on one of the devices.
    pub fn encode_values(&self, patches: &Patches) -> Result<Vec<f32>, Error> {
        self.check(patches)?;
        self.shared_values(patches, None)
    }

    /// Encodes a gray image or video of each grid as one batch, and waits. This compiles the kernels for these sizes, and
    /// with burn's `autotune` it selects the fastest.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode_values`].
    pub fn warmup(&self, inputs: &[InputSize]) -> Result<(), Error> {
        let config = self.config();
        let gray = |&InputSize { grid, kind, .. }: &InputSize| {
            let rows = Array2::zeros((grid.num_patches(), config.row_len(kind)));
            match kind {
                PatchKind::Image => {
                    Patches::from_images(rows, vec![grid], config.temporal_patch_size)
                }
                PatchKind::Video => Patches::from_pixel_values(rows, vec![grid]),
            }
        };
        let gray = inputs.iter().map(gray).collect::<Result<Vec<_>, _>>()?;
        self.encode_values(&Patches::concat(&gray)?).map(drop)
    }

    /// The embeddings of a packed batch in one pass on the first device. `observer` receives the stages of the tower. No memory
    /// limit is checked, because nobody knows what the observer keeps.
    ///
    /// # Errors
    /// [`Error::Patches`] if the patches do not fit the tower.
    pub fn encode_observed(
        &self,
        patches: &Patches,
        observer: &mut dyn Observer,
    ) -> Result<Embeddings, Error> {
        self.check(patches)?;
        let replica = &self.replicas[0];
        let options = ForwardOptions {
            observer: Some(observer),
            ..replica.forward_options(replica.limits)
        };
        let output = replica.forward(patches, &whole(patches), options)?;
        Ok(self.embeddings(output.embeddings, patches))
    }

    pub(crate) fn encode_tensor(
        &self,
        patches: &Patches,
        cancel: Option<&CancelToken>,
    ) -> Result<Embeddings, Error> {
        self.check(patches)?;
        let tensor = match &self.replicas[..] {
            [replica] => replica.encode(patches, &whole(patches), cancel)?,
            several => {
                let values = self.shared_values(patches, cancel)?;
                let width = self.config().out_hidden_size;
                let shape = [values.len() / width, width];
                let data = TensorData::new(values, shape);
                let model = &several[0].model;
                Tensor::from_data(data, (&model.device(), DType::from(model.mode().dtype())))
            }
        };
        Ok(self.embeddings(tensor, patches))
    }

    /// Checks that a batch of these inputs fits into the memory of the devices, beside `held` bytes of the host.
    pub(crate) fn fit(
        &self,
        spans: &[FrameSpan],
        options: &EncodeOptions,
        held: u64,
    ) -> Result<(), Error> {
        let shares = self.shares(spans);
        for (index, (replica, share)) in self.replicas.iter().zip(&shares).enumerate() {
            let limits = replica.fit_beside(held, &share.spans, options);
            limits.map_err(|error| self.on_device(index, error))?;
        }
        Ok(())
    }

    /// A contiguous share of the temporal patches for each device. If there are fewer of them than devices, some devices have
    /// no share.
    fn shares(&self, spans: &[FrameSpan]) -> Vec<MicroBatch> {
        let footprint = Footprint::new(self.config(), self.model().mode());
        let cost = |frame| footprint.operations(frame);
        shares(spans, self.replicas.len(), cost)
    }

    /// Each device encodes its share.
    fn shared_values(
        &self,
        patches: &Patches,
        cancel: Option<&CancelToken>,
    ) -> Result<Vec<f32>, Error> {
        let shares = self.shares(&whole(patches).spans);
        // A stream of a new thread would begin with empty memory pools. The caller's stream keeps its pools.
        let stream = StreamId::current();
        let encode = |(replica, share): (&Replica, &MicroBatch)| {
            stream.executes(|| values(replica.encode(patches, share, cancel)?))
        };
        let results: Vec<_> = thread::scope(|scope| {
            let mut shares = self.replicas.iter().zip(&shares);
            // This thread takes the first share, so that one device needs no other thread.
            let first = shares.next();
            let others: Vec<_> = shares
                .map(|share| scope.spawn(move || encode(share)))
                .collect();
            let first = first.map(encode).into_iter();
            let join = |thread: ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| resume_unwind(panic))
            };
            first.chain(others.into_iter().map(join)).collect()
        });
        let mut all = Vec::new();
        for (index, result) in results.into_iter().enumerate() {
            all.push(result.map_err(|error| self.on_device(index, error))?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => all.concat(),
        })
    }

    /// Names the device of an error, if there are several devices.
    fn on_device(&self, index: usize, source: Error) -> Error {
        let count = self.replicas.len();
        if count == 1 || matches!(source, Error::Cancelled) {
            return source;
        }
        Error::OnDevice {
            index,
            count,
            device: format!("{:?}", self.replicas[index].model.device()),
            source: source.into(),
        }
    }

    /// Checks that the patches fit the tower.
    fn check(&self, patches: &Patches) -> Result<(), Error> {
        let config = self.config();
        let merge = config.spatial_merge_size;
        let refuse = |expected, found| Err(Error::Patches { expected, found });
        let is_whole = |side: usize| side > 0 && side.is_multiple_of(merge);
        let is_broken = |grid: &&GridThw| grid.t == 0 || !is_whole(grid.h) || !is_whole(grid.w);
        let grids = patches.grids();
        let broken = grids.iter().find(is_broken);
        if grids.is_empty() || broken.is_some() {
            let expected = format!("at least one grid, each of whole {merge}×{merge} blocks");
            return refuse(
                expected,
                broken.map_or("none".to_owned(), ToString::to_string),
            );
        }
        for span in patches.iter() {
            let what = match span.kind {
                PatchKind::Image => "images",
                PatchKind::Video => "videos",
            };
            let (expected, found) = (config.row_len(span.kind), span.rows.ncols());
            if found != expected {
                let expected = format!("rows of {what} of {expected} values");
                return refuse(expected, found.to_string());
            }
        }
        Ok(())
    }

    fn embeddings(&self, tensor: Tensor<2>, patches: &Patches) -> Embeddings {
        Embeddings {
            tensor,
            grids: patches.grids(),
            spatial_merge_size: self.config().spatial_merge_size,
        }
    }
}

/// A batch that is not split.
fn whole(patches: &Patches) -> MicroBatch {
    let spans = patches.spans().iter().map(|span| (span.grid, span.kind));
    MicroBatch {
        rows: 0..patches.num_patches(),
        spans: spans.collect(),
    }
}

impl fmt::Debug for VisionEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisionEncoder")
            .field("config", self.config())
            .field("processor", &self.processor)
            .field("devices", &self.devices().collect::<Vec<_>>())
            .finish()
    }
}
