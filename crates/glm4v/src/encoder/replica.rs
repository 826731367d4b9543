use burn::tensor::{DType, Tensor, TensorData};
use glm4v_model::{
    AttentionMethod, CancelToken, Cancelled, ForwardOptions, PatchRows, VisionModel, VisionOutput,
    join,
};
use glm4v_preprocess::Patches;
use glm4v_weights::Packing;

use crate::batching::{FrameSpan, MicroBatch, micro_batches};
use crate::devices::{self, Backend};
use crate::plan::{BatchLimits, MemoryBudget, Plan, Target};
use crate::{EncodeOptions, Error};

/// A tower on one device, and the limits of that device.
pub(super) struct Replica {
    pub(super) model: VisionModel,
    pub(super) target: Target,
    pub(super) limits: BatchLimits,
    pub(super) memory: MemoryBudget,
    pub(super) attention: AttentionMethod,
    /// What a cache of packed weights did
    pub(super) packing: Option<Packing>,
}

impl Replica {
    pub(super) fn new(model: VisionModel) -> Self {
        let device = model.device();
        let backend = devices::cpu_backend(&device);
        let target = Target {
            mode: model.mode(),
            shares_host_memory: backend.is_some(),
            max_buffer: devices::max_buffer(&device),
            stores_scores: backend != Some(Backend::Flex),
            devices: 1,
        };
        Self {
            attention: devices::attention(&device),
            limits: BatchLimits::new(&target),
            memory: MemoryBudget::default(),
            packing: None,
            model,
            target,
        }
    }

    /// Computes attention by `method`, and plans its memory.
    pub(super) fn set_attention(&mut self, method: AttentionMethod) {
        self.attention = method;
        self.target = self.target.with_attention(method);
    }

    /// The limits within which `spans` fit, with the extra outputs of `options`.
    pub(super) fn fit(
        &self,
        spans: &[FrameSpan],
        options: &EncodeOptions,
    ) -> Result<BatchLimits, Error> {
        self.fit_beside(0, spans, options)
    }

    /// The same beside `held` bytes of the host.
    pub(super) fn fit_beside(
        &self,
        held: u64,
        spans: &[FrameSpan],
        options: &EncodeOptions,
    ) -> Result<BatchLimits, Error> {
        let (config, limits) = (self.model.config(), self.limits);
        let held = match self.target.shares_host_memory {
            true => held,
            false => 0,
        };
        let beside = |bytes: u64| bytes.saturating_sub(held);
        let budget = MemoryBudget {
            allowed: self.memory.allowed.map(beside),
            machine: self.memory.machine.map(beside),
        };
        Plan::limits_for(config, spans, self.target, options, limits, budget)
    }

    /// Encodes a share of a batch, one micro-batch after another.
    pub(super) fn encode(
        &self,
        patches: &Patches,
        share: &MicroBatch,
        cancel: Option<&CancelToken>,
    ) -> Result<Tensor<2>, Error> {
        let limits = self.fit(&share.spans, &EncodeOptions::default())?;
        let mut outputs = Vec::new();
        for mut batch in micro_batches(&share.spans, limits.max_patches) {
            batch.rows = share.rows.start + batch.rows.start..share.rows.start + batch.rows.end;
            let options = ForwardOptions {
                cancel,
                ..self.forward_options(limits)
            };
            outputs.push(self.forward(patches, &batch, options)?.embeddings);
        }
        Ok(join(outputs, 0))
    }

    pub(super) fn forward_options<'a>(&self, limits: BatchLimits) -> ForwardOptions<'a> {
        ForwardOptions {
            max_score_bytes: limits.max_score_bytes,
            attention: self.attention,
            ..ForwardOptions::default()
        }
    }

    /// One pass over a micro-batch.
    pub(super) fn forward<'a>(
        &'a self,
        patches: &Patches,
        batch: &MicroBatch,
        options: ForwardOptions<'a>,
    ) -> Result<VisionOutput, Cancelled> {
        let device = self.model.device();
        let upload = |(kind, rows): (_, ndarray::ArrayView2<'_, f32>)| {
            let values = rows.to_slice().expect("patch rows are contiguous");
            let data = TensorData::new(values.to_vec(), [rows.nrows(), rows.ncols()]);
            PatchRows::new(kind, Tensor::from_data(data, (&device, DType::F32)))
        };
        let rows = patches.rows(batch.rows.clone()).into_iter().map(upload);
        let grids: Vec<_> = batch.spans.iter().map(|span| span.0).collect();
        self.model.forward(rows.collect(), &grids, options)
    }
}
