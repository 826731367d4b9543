use glm4v_model::{ComputeMode, ForwardOptions};

use crate::batching::FrameSpan;
use crate::devices::Target;

/// Patches of a batch for each device. With this limit, memory depends on the largest frame and not on the number of inputs.
const BATCH_PATCHES: usize = 16_384;
/// Patches of a micro-batch on the CPU kernels, whose rows stay in the caches. Eight photos at once took an eighth longer.
const CPU_PATCHES: usize = 1024;
const MIN_SCORE_BYTES: u64 = 1 << 20;

/// Limits of the work that is done at once. They change no value beyond rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Patches of one batch of whole inputs. A larger input makes a batch alone. With 1, one input is open at a time.
    pub max_batch_patches: usize,
    /// Whether the next batch is read while a batch is encoded.
    pub prefetch: bool,
    /// Patches that a device encodes at once, of whole frames. A larger frame is encoded alone.
    pub max_patches: usize,
    /// Bytes of attention scores at once, where a backend stores scores.
    pub max_score_bytes: u64,
}

impl BatchLimits {
    /// The fast limits: batches of 16,384 patches a device, and 256 MiB of scores.
    ///
    /// The CPU kernels encode 1,024 patches at once. Only on GPUs the next batch is read while a batch is encoded: on a CPU
    /// both would share the cores.
    #[must_use]
    pub fn new(target: &Target) -> Self {
        Self {
            max_batch_patches: BATCH_PATCHES * target.devices,
            prefetch: !target.shares_host_memory,
            max_patches: match target.mode {
                ComputeMode::Cpu(_) => CPU_PATCHES,
                ComputeMode::Device(_) => BATCH_PATCHES,
            },
            max_score_bytes: ForwardOptions::default().max_score_bytes,
        }
    }

    /// The next smaller limits: inputs one by one, then smaller micro-batches, then fewer scores. `None` after the smallest.
    ///
    /// `largest_frame` is the number of patches of the largest frame.
    #[must_use]
    pub fn smaller(mut self, largest_frame: usize) -> Option<Self> {
        if self.max_batch_patches > 1 || self.prefetch {
            (self.max_batch_patches, self.prefetch) = (1, false);
        } else if self.max_patches > largest_frame {
            self.max_patches = (self.max_patches / 2).max(largest_frame);
        } else if self.max_score_bytes >= 2 * MIN_SCORE_BYTES {
            self.max_score_bytes /= 2;
        } else {
            return None;
        }
        Some(self)
    }

    /// The first success of `attempt` with smaller and smaller limits, or its last error.
    pub(crate) fn shrink_until<T, E>(
        mut self,
        spans: &[FrameSpan],
        attempt: impl Fn(Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let largest_frame = spans.iter().map(|(grid, _)| grid.h * grid.w).max();
        loop {
            match attempt(self) {
                Ok(result) => return Ok(result),
                Err(error) => self = self.smaller(largest_frame.unwrap_or(0)).ok_or(error)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::FloatDType;

    use super::*;
    use crate::devices::Backend;

    #[test]
    fn limits_shrink_in_order_and_end() {
        let target = Target::new(Backend::Cuda, FloatDType::F32);
        let mut limits = BatchLimits::new(&target);
        assert!(limits.prefetch && limits.max_batch_patches == 16_384);
        let mut steps = Vec::new();
        while let Some(smaller) = limits.smaller(5000) {
            limits = smaller;
            let mib = limits.max_score_bytes >> 20;
            steps.push((limits.max_batch_patches, limits.max_patches, mib));
        }
        let expected = [
            (1, 16_384, 256),
            (1, 8192, 256),
            (1, 5000, 256),
            (1, 5000, 128),
        ];
        assert_eq!(steps[..4], expected);
        assert_eq!(steps.last(), Some(&(1, 5000, 1)));
    }
}
