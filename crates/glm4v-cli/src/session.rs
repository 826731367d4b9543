//! What `encode` and `viz` share: a model on its devices, and inputs that fit into the memory.

use std::slice;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use glm4v::model::{Amx, ComputeMode, Precision};
use glm4v::pipeline::{InputError, InputInfo, Inputs};
use glm4v::plan::{BatchLimits, InputSize, MemoryBudget, Target, available_memory};
use glm4v::preprocess::ReadOptions;
use glm4v::{EncodeOptions, LoadOptions, Plan, Processor, VisionConfig, VisionEncoder};

use crate::args::{ComputeArgs, ReadArgs};
use crate::console::Console;
use crate::devices::Devices;
use crate::listed::Listed;
use crate::model::ModelFiles;
use crate::reading::{self, Batch, Reading};
use crate::stages::Stages;
use crate::values::OnError;
use crate::weights::Weights;

/// A model and the devices that it runs on. Its weights are not loaded yet.
pub(crate) struct Session<'a> {
    pub(crate) weights: Weights,
    pub(crate) config: VisionConfig,
    pub(crate) processor: Arc<Processor>,
    pub(crate) devices: Devices,
    pub(crate) compute: &'a ComputeArgs,
    pub(crate) read: ReadOptions,
    pub(crate) console: &'a Console,
}

impl<'a> Session<'a> {
    /// Finds the model, its configuration and the devices.
    pub(crate) fn new(
        compute: &'a ComputeArgs,
        read: &ReadArgs,
        console: &'a Console,
    ) -> Result<Self> {
        read.start_threads()?;
        let weights = Weights::find(&compute.model, compute.seed, ModelFiles::Tower, console)?;
        let config = weights.config()?;
        let processor = read.configure(weights.processor()?)?;
        processor.check(&config)?;
        Ok(Self {
            weights,
            config,
            processor: Arc::new(processor),
            devices: Devices::find(&compute.device)?,
            compute,
            read: read.options(),
            console,
        })
    }

    /// Opens the inputs, reads the first batch, and loads the weights last, because that takes longest. Inputs that are
    /// damaged or too large fail before it.
    pub(crate) fn start(
        &self,
        listed: Listed,
        on_error: OnError,
        options: &EncodeOptions,
        stages: &mut Stages,
    ) -> Result<(VisionEncoder, Reading<'a>, Batch)> {
        let (limits, mut reading) = stages.time("read", || self.open(listed, on_error, options))?;
        let first = stages.time("read", || reading.next())?;
        self.weights.announce(self.console);
        reading.bar.set_message("loading weights");
        let encoder = stages.time("load", || self.load(limits))?;
        reading.bar.set_message("encoding");
        Ok((encoder, reading, first.context("there are no inputs")?))
    }

    /// Opens the first inputs, and finds the limits with which the inputs fit into the memory. With `--max-memory` all
    /// inputs are probed for that; one file and all pipes stay open.
    fn open(
        &self,
        Listed { sources, pipes, .. }: Listed,
        on_error: OnError,
        options: &EncodeOptions,
    ) -> Result<(BatchLimits, Reading<'a>)> {
        self.check_blocks(options)?;
        let args = &self.compute.device;
        let target = self.target()?;
        let limits = BatchLimits::new(&target);
        let (count, max_memory) = (sources.len(), args.max_memory);
        let processor = Arc::clone(&self.processor);
        let first = BatchLimits {
            max_batch_patches: max_memory.map_or(limits.max_batch_patches, |_| 1),
            ..limits
        };
        let read = pipes.options(self.read.clone());
        let mut inputs = Inputs::new(sources, processor, read, first);
        let infos: Vec<_> = match max_memory {
            Some(_) => inputs.survey(),
            None => inputs.look_ahead().map(reading::known).collect(),
        };
        let infos: Vec<InputInfo> = match on_error {
            OnError::Stop => infos.into_iter().collect::<Result<_, InputError>>()?,
            OnError::Skip => infos.into_iter().filter_map(Result::ok).collect(),
        };
        let sizes: Vec<InputSize> = infos.iter().map(InputSize::from).collect();
        let budget = MemoryBudget::new(max_memory);
        let plan = |sizes: &[InputSize]| {
            Plan::within(&self.config, sizes, target, options, limits, budget)
        };
        let fits = |size: &InputSize| plan(slice::from_ref(size)).is_ok();
        let plan = match on_error {
            // An input that does not fit alone is skipped when its turn comes. If none fits, the error has the numbers.
            OnError::Skip if sizes.iter().any(fits) => {
                let fitting: Vec<InputSize> = sizes.iter().copied().filter(fits).collect();
                plan(&fitting)
            }
            OnError::Skip | OnError::Stop => plan(&sizes),
        };
        let refused = |error| {
            let error = self.explain(error);
            // If none fits, it is not the fault of one of them.
            let too_large = sizes.iter().position(|size| !fits(size));
            match too_large.filter(|_| sizes.iter().any(fits)) {
                Some(place) => error.context(infos[place].name.clone()),
                None => error,
            }
        };
        let limits = plan.map_err(refused)?.limits;
        let inputs = inputs.with_limits(limits);
        let reading = Reading::new(inputs, count, pipes, self.console);
        Ok((limits, reading.on_error(on_error)))
    }

    /// Fails if a requested block does not exist.
    fn check_blocks(&self, options: &EncodeOptions) -> Result<()> {
        let (queries, depth) = (options.attention.iter(), self.config.depth);
        let blocks = queries.map(|query| &query.block);
        let mut blocks = options.hidden_states.iter().chain(blocks);
        if let Some(block) = blocks.find(|block| **block >= depth) {
            bail!("there is no block {block}: the model has {depth}, counted from 0");
        }
        Ok(())
    }

    /// Where the tower runs.
    pub(crate) fn target(&self) -> Result<Target> {
        let target = self.devices.target(self.compute.device.dtype)?;
        let method = self.compute.attention_method.method();
        Ok(method.map_or(target, |method| target.with_attention(method)))
    }

    pub(crate) fn load(&self, limits: BatchLimits) -> Result<VisionEncoder> {
        let args = &self.compute.device;
        let options = LoadOptions {
            device: self.devices.spec().parse().expect("names of devices"),
            dtype: args.dtype,
            max_memory: args.max_memory,
            attention: self.compute.attention_method.method(),
            packed_cache: self.compute.packed_cache(),
            ..LoadOptions::default()
        };
        let explain = |error| self.explain(error);
        let encoder = self.weights.load(&options).map_err(explain)?;
        let loaded = format!("loaded {} onto {}", self.weights, self.devices.spec());
        self.console.detail(&loaded);
        if let Some(packing) = encoder.packing() {
            self.console.detail(&packing.to_string());
        }
        if let ComputeMode::Cpu(Precision::Bf16 | Precision::Int8) = encoder.model().mode() {
            self.console.detail(&Amx::status().to_string());
        }
        let encoder = encoder.with_limits(limits);
        // Inputs after the first ones are checked against this limit when their batch is encoded.
        Ok(match available_memory() {
            Some(bytes) => encoder.with_machine_memory(bytes),
            None => encoder,
        })
    }

    pub(crate) fn explain(&self, error: glm4v::Error) -> anyhow::Error {
        self.devices.explain(error, self.console)
    }
}
