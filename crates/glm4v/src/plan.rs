//! The memory and the operations of encoding, from sizes alone.
//!
//! ```
//! use glm4v::devices::Backend;
//! use glm4v::plan::{BatchLimits, InputSize, MemoryBudget, Target};
//! use glm4v::{EncodeOptions, FloatDType, Plan, Preset, Processor};
//!
//! let (config, options) = (Preset::Glm41V9B.vision(), EncodeOptions::default());
//! let grid = Processor::from_preset(Preset::Glm41V9B).grid(1080, 1920)?; // height, width
//! let target = Target::new(Backend::Webgpu, FloatDType::F16);
//! let plan = Plan::new(&config, &[InputSize::image(grid)], target, &options, BatchLimits::new(&target));
//! let budget = MemoryBudget { allowed: Some(4 << 30), machine: None };
//! assert!(budget.check(&plan).is_ok());
//! # Ok::<(), glm4v::Error>(())
//! ```

mod limits;
mod machine;

use glm4v_config::{GridThw, VisionConfig};
use glm4v_model::{Footprint, Pass};

pub use self::limits::BatchLimits;
pub use self::machine::available_memory;
pub use crate::batching::InputSize;
use crate::batching::{FrameSpan, LookAhead, look_ahead, shares};
pub use crate::devices::Target;
pub use crate::error::MemoryLimit;
use crate::{EncodeOptions, Error};

/// Bytes of a value of patch rows and of embeddings.
const F32: usize = size_of::<f32>();
/// The constant overhead of the process: its code and its threads. A debug program is larger.
const PROGRAM: u64 = if cfg!(debug_assertions) { 40 } else { 14 } << 20;
/// The proportional overhead of the process: the allocator keeps at most one freed byte for 8 bytes in use. Measured peaks
/// of long videos and of large weights need most of it. Decoding has no such overhead: its blocks are large, and go back to
/// the system at once.
const ALLOCATOR_SHARE: u64 = 8;

/// The cost of encoding inputs. Peaks are upper bounds of the measured peaks (docs/performance.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The limits of the work that is done at once.
    pub limits: BatchLimits,
    /// Rows that the tower reads.
    pub patches: usize,
    /// Rows that the tower makes: placeholders in the prompt.
    pub tokens: usize,
    /// Floating-point operations. A multiplication with its addition counts two.
    pub operations: u64,
    /// Patches of the largest micro-batch.
    pub patches_at_once: usize,
    /// Bytes of the parameters. On the CPU kernels they are packed.
    pub weights: u64,
    /// Peak bytes of patch rows: one batch, and the next one if it is prefetched.
    pub patch_rows: u64,
    /// Peak bytes of open files and of decoding.
    pub reading: u64,
    /// Peak bytes of the tower beside its parameters.
    pub activations: u64,
    /// Bytes of all embeddings and extra outputs, as f32 on the host.
    pub embeddings: u64,
    /// Bytes of the largest tensor or parameter.
    pub largest_tensor: u64,
    /// Peak bytes of the process.
    pub host: u64,
    /// Peak bytes of each device that has memory of its own.
    pub device: Option<u64>,
}

impl Plan {
    /// Follows the pipeline over `inputs`: read a batch, load the weights, encode, keep the embeddings, read on.
    #[must_use]
    pub fn new(
        config: &VisionConfig,
        inputs: &[InputSize],
        target: Target,
        options: &EncodeOptions,
        limits: BatchLimits,
    ) -> Self {
        Tower::new(config, target).follow(inputs, options, limits, false)
    }

    /// Memory of the device with the largest share. Extra outputs are counted on it.
    ///
    /// Returns the bytes of its activations, and of the embeddings and extra outputs of the whole batch.
    fn add_batch(
        &mut self,
        tower: &Tower<'_>,
        spans: &[FrameSpan],
        options: &EncodeOptions,
    ) -> (u64, u64) {
        let patches: usize = spans.iter().map(|(grid, _)| grid.num_patches()).sum();
        let hidden = F32 * patches * tower.config.hidden_size * options.hidden_states.len();
        let embeddings = tower.embedding_bytes(spans);
        let extra = hidden as u64 + u64::from(options.last_hidden_state) * embeddings;
        let cost = |frame| tower.footprint.operations(frame);
        let mut activations = 0;
        for share in shares(spans, tower.target.devices, cost) {
            let pass = tower.pass(&share.spans, &self.limits);
            activations = activations.max(pass.activations + extra);
            self.largest_tensor = self.largest_tensor.max(pass.largest_tensor);
            self.patches_at_once = self.patches_at_once.max(pass.patches);
        }
        self.activations = self.activations.max(activations);
        (activations, embeddings + extra)
    }

    /// Reduces `limits` until the plan fits the budget and the buffers.
    ///
    /// # Errors
    /// [`Error::Memory`] and [`Error::Buffer`] if the smallest limits do not fit.
    pub fn within(
        config: &VisionConfig,
        inputs: &[InputSize],
        target: Target,
        options: &EncodeOptions,
        limits: BatchLimits,
        budget: MemoryBudget,
    ) -> Result<Self, Error> {
        limits.shrink_until(&spans(inputs), |limits| {
            let plan = Self::new(config, inputs, target, options, limits);
            budget.check(&plan)?;
            plan.check_buffer(target.max_buffer)?;
            Ok(plan)
        })
    }

    /// The limits with which one device encodes `spans`, whose rows are all in memory.
    pub(crate) fn limits_for(
        config: &VisionConfig,
        spans: &[FrameSpan],
        target: Target,
        options: &EncodeOptions,
        limits: BatchLimits,
        budget: MemoryBudget,
    ) -> Result<BatchLimits, Error> {
        let image = |&(grid, kind): &FrameSpan| InputSize {
            kind,
            ..InputSize::image(grid)
        };
        let inputs: Vec<InputSize> = spans.iter().map(image).collect();
        limits.shrink_until(spans, |limits| {
            let plan = Tower::new(config, target).follow(&inputs, options, limits, true);
            budget.check(&plan)?;
            plan.check_buffer(target.max_buffer)?;
            Ok(limits)
        })
    }

    /// Checks that a buffer can hold the largest tensor.
    fn check_buffer(&self, max_buffer: Option<u64>) -> Result<(), Error> {
        let needed = self.largest_tensor;
        match max_buffer {
            Some(allowed) if needed > allowed => Err(Error::Buffer { needed, allowed }),
            Some(_) | None => Ok(()),
        }
    }
}

/// The memory that a plan may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Bytes that the user allows, for each GPU or for the process on a CPU.
    pub allowed: Option<u64>,
    /// Bytes of host memory that this process can use in all.
    pub machine: Option<u64>,
}

impl MemoryBudget {
    /// At most `allowed` bytes, and no more than the machine has.
    #[must_use]
    pub fn new(allowed: Option<u64>) -> Self {
        let machine = available_memory();
        Self { allowed, machine }
    }

    /// Checks that a plan fits.
    ///
    /// # Errors
    /// [`Error::Memory`] with the needed and the available bytes.
    pub fn check(self, plan: &Plan) -> Result<(), Error> {
        let (host, weights) = (plan.host, plan.weights);
        let check = |needed, weights, limit, available: Option<u64>| match available {
            Some(available) if needed > available => Err(Error::Memory {
                needed,
                weights,
                available,
                limit,
            }),
            Some(_) | None => Ok(()),
        };
        let Some(device) = plan.device else {
            // The system only estimates its memory. A limit that the user set for the host counts instead.
            let machine = self.machine.filter(|_| self.allowed.is_none());
            check(host, weights, MemoryLimit::Allowed, self.allowed)?;
            return check(host, weights, MemoryLimit::Machine, machine);
        };
        check(device, weights, MemoryLimit::Allowed, self.allowed)?;
        check(host, 0, MemoryLimit::Machine, self.machine)
    }
}

/// A tower on its target.
struct Tower<'a> {
    config: &'a VisionConfig,
    target: Target,
    footprint: Footprint<'a>,
}

impl<'a> Tower<'a> {
    const fn new(config: &'a VisionConfig, target: Target) -> Self {
        Self {
            config,
            target,
            footprint: Footprint::new(config, target.mode),
        }
    }

    /// Follows the pipeline. If `is_loaded`, the weights and the rows of one batch are in memory already.
    fn follow<'i>(
        &self,
        inputs: &'i [InputSize],
        options: &EncodeOptions,
        limits: BatchLimits,
        is_loaded: bool,
    ) -> Plan {
        let mut plan = self.plan(inputs, limits);
        let loading = if is_loaded { 0 } else { plan.host };
        plan.host = with_overhead(loading);
        // The next batch, the inputs after it, and the bytes of the inputs that are opened before it is read.
        let split = |inputs: &'i [InputSize]| {
            let (sizes, threads) = (inputs.iter().copied(), rayon::current_num_threads());
            let LookAhead { batch, open, .. } =
                look_ahead(sizes, limits.max_batch_patches, threads);
            let (batch, rest) = inputs.split_at(if is_loaded { inputs.len() } else { batch });
            let opened = inputs.iter().take(open).filter(|input| !input.stays_open);
            (
                batch,
                rest,
                opened.map(|input| input.open_bytes).sum::<u64>(),
            )
        };
        let (mut unread, mut kept) = (inputs, kept_bytes(inputs));
        while !unread.is_empty() {
            let (batch, rest, open) = split(unread);
            let (next, _, next_open) = split(if limits.prefetch { rest } else { &[] });
            let open = kept + open.max(next_open);
            let [rows, next_rows] = [batch, next].map(|inputs| self.row_bytes(&spans(inputs)));
            let [decoding, next_decoding] = [batch, next].map(decode_bytes);
            let (activations, results) = plan.add_batch(self, &spans(batch), options);
            // A CPU computes in host memory. The host receives the results of other devices.
            let (idle, busy) = match self.target.shares_host_memory {
                true => (plan.weights, plan.weights + activations),
                false => (0, results),
            };
            // The first batch is read before the weights are loaded.
            let (idle, busy) = match unread.len() == inputs.len() {
                true => (0, busy.max(loading)),
                false => (idle, busy),
            };
            let base = plan.embeddings + open + rows;
            let reading = with_overhead(base + idle) + decoding;
            let encoding = with_overhead(base + next_rows + busy) + next_decoding;
            plan.host = plan.host.max(reading).max(encoding);
            plan.embeddings += results;
            plan.patch_rows = plan.patch_rows.max(rows + next_rows);
            plan.reading = plan.reading.max(open + decoding.max(next_decoding));
            kept -= kept_bytes(batch);
            unread = rest;
        }
        plan.host += PROGRAM;
        plan.device = plan.device.map(|weights| weights + plan.activations);
        plan
    }

    /// The counts of `inputs`, and the memory of the weights alone.
    fn plan(&self, inputs: &[InputSize], limits: BatchLimits) -> Plan {
        let (grids, weights) = (
            inputs.iter().map(|input| input.grid),
            self.footprint.weights(),
        );
        let loading = match self.target.shares_host_memory {
            true => self.footprint.loading(),
            false => self.footprint.staging(),
        };
        Plan {
            limits,
            patches: grids.clone().map(|grid| grid.num_patches()).sum(),
            tokens: self.tokens(grids.clone()),
            operations: grids.map(|grid| self.footprint.operations(grid)).sum(),
            patches_at_once: 0,
            weights,
            patch_rows: 0,
            reading: 0,
            activations: 0,
            embeddings: 0,
            largest_tensor: self.footprint.largest_parameter(),
            host: loading,
            device: (!self.target.shares_host_memory).then_some(weights),
        }
    }

    /// The largest pass over a share. The results of several passes are kept, and then joined.
    fn pass(&self, spans: &[FrameSpan], limits: &BatchLimits) -> Pass {
        let stored = self.target.stores_scores.then_some(limits.max_score_bytes);
        let mut pass = self.footprint.pass(spans, limits.max_patches, stored);
        let all: usize = spans.iter().map(|(grid, _)| grid.num_patches()).sum();
        let embeddings = self.embedding_bytes(spans);
        pass.activations = match pass.patches < all {
            true => (pass.activations + embeddings).max(2 * embeddings),
            false => pass.activations.max(embeddings),
        };
        pass
    }

    fn row_bytes(&self, spans: &[FrameSpan]) -> u64 {
        let values = |(grid, kind): &FrameSpan| grid.num_patches() * self.config.row_len(*kind);
        (F32 * spans.iter().map(values).sum::<usize>()) as u64
    }

    fn embedding_bytes(&self, spans: &[FrameSpan]) -> u64 {
        let tokens = self.tokens(spans.iter().map(|span| span.0));
        (F32 * tokens * self.config.out_hidden_size) as u64
    }

    fn tokens(&self, grids: impl Iterator<Item = GridThw>) -> usize {
        grids
            .map(|grid| grid.num_tokens(self.config.spatial_merge_size))
            .sum()
    }
}

fn spans(inputs: &[InputSize]) -> Vec<FrameSpan> {
    let inputs = inputs.iter();
    inputs.map(|input| (input.grid, input.kind)).collect()
}

/// Bytes in use, and the share of the allocator.
fn with_overhead(bytes: u64) -> u64 {
    bytes + bytes / ALLOCATOR_SHARE
}

/// Bytes of inputs that stay open until they are read.
fn kept_bytes(inputs: &[InputSize]) -> u64 {
    let kept = inputs.iter().filter(|input| input.stays_open);
    kept.map(|input| input.open_bytes).sum()
}

/// Bytes of the largest inputs that the threads decode at the same time.
fn decode_bytes(inputs: &[InputSize]) -> u64 {
    let mut bytes: Vec<u64> = inputs.iter().map(|input| input.decode_bytes).collect();
    bytes.sort_unstable_by(|a, b| b.cmp(a));
    bytes.iter().take(rayon::current_num_threads()).sum()
}

#[cfg(test)]
mod tests;
