//! What encoding takes, before anything is loaded.

use burn::tensor::FloatDType;
use glm4v_config::{GridThw, VisionConfig};
use glm4v_model::{Arithmetic, Footprint, Pass, Precision};

use crate::pieces::{Part, Piece, pieces, shares};
use crate::{Backend, Error};

/// Bytes of a value of patch rows and of embeddings on the host.
const F32: u64 = 4;
/// More patches than this are not encoded at once, so that the device's memory depends on the largest frame and not on
/// how many there are.
const MAX_PATCHES: usize = 16_384;
/// The same where products run on the host: rows of fewer patches stay in its caches, and eight photos at once took an
/// eighth longer than one after another.
const MAX_PATCHES_ON_HOST: usize = 1024;
/// Where memory is scarce, scores are cut down to this, or to 64 queries.
const MIN_SCORE_BYTES: u64 = 1 << 20;

/// Where a tower runs, and in what: all that a [`Plan`] needs to know of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where products run, and in what type.
    pub arithmetic: Arithmetic,
    /// Whether the device's memory is the host's.
    pub on_host: bool,
    /// Most bytes that one tensor may have, where the device limits that (wgpu: the smaller of `maxBufferSize` and
    /// `maxStorageBufferBindingSize`).
    pub max_buffer: Option<u64>,
    /// How many such devices share each batch ([`crate::ParallelEncoder`]); what a plan says of a device is said of each.
    pub devices: usize,
}

impl Target {
    /// Any device of `backend` that computes in `dtype`; the device itself may limit its buffers.
    #[must_use]
    pub fn new(backend: Backend, dtype: FloatDType) -> Self {
        Self {
            arithmetic: match backend {
                Backend::Flex => on_flex(dtype),
                _ => Arithmetic::Device(dtype),
            },
            on_host: matches!(backend, Backend::Flex | Backend::Ndarray),
            max_buffer: None,
            devices: 1,
        }
    }
}

/// On flex, our own kernels; they know no f16.
pub(crate) fn on_flex(dtype: FloatDType) -> Arithmetic {
    match dtype {
        FloatDType::F32 => Arithmetic::Host(Precision::F32),
        FloatDType::BF16 => Arithmetic::Host(Precision::Bf16),
        other => Arithmetic::Device(other),
    }
}

/// How a batch is cut, so that its parts fit in memory. The result is the same up to rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Patches that are encoded at once, of whole frames; a larger frame goes alone.
    pub max_patches: usize,
    /// Bytes of attention scores that are held at once, where a backend holds them ([`Pass::max_score_bytes`]).
    pub max_score_bytes: u64,
}

impl Cut {
    /// What is fast where memory is no concern: 16,384 patches, or 1,024 where products run on the host, and 256 MiB of
    /// scores.
    #[must_use]
    pub fn usual(arithmetic: Arithmetic) -> Self {
        Self {
            max_patches: match arithmetic {
                Arithmetic::Host(_) => MAX_PATCHES_ON_HOST,
                Arithmetic::Device(_) => MAX_PATCHES,
            },
            max_score_bytes: Pass::default().max_score_bytes,
        }
    }

    /// The next smaller one for a batch whose largest frame has `largest_frame` patches, while there is any.
    #[must_use]
    pub fn smaller(self, largest_frame: usize) -> Option<Self> {
        if self.max_patches > largest_frame {
            let max_patches = (self.max_patches / 2).max(largest_frame);
            return Some(Self {
                max_patches,
                ..self
            });
        }
        let max_score_bytes = self.max_score_bytes / 2;
        (max_score_bytes >= MIN_SCORE_BYTES).then_some(Self {
            max_score_bytes,
            ..self
        })
    }
}

/// What encoding a batch will take: worked out from the configuration and the grids, without weights, device or pixels.
///
/// ```
/// use glm4v::{Backend, FloatDType, Plan, Preset, Processor, Target};
///
/// let preset = Preset::Glm41V9B;
/// let grid = Processor::of_preset(preset)?.grid(1080, 1920)?; // height, width
/// let plan = Plan::new(&preset.vision(), &[grid], Target::new(Backend::Webgpu, FloatDType::F16));
/// assert_eq!(plan.items[0].patches, 78 * 138);
/// assert_eq!(plan.items[0].tokens, 39 * 69);
/// assert_eq!(plan.weights, 2 * 892_498_432 + 4 * 1536 * (588 + 1)); // and a patch kernel for stills, in f32
/// assert!(plan.on_device() < 3 << 30);
/// # Ok::<(), glm4v::Error>(())
/// ```
///
/// An item of one temporal patch is taken for a still, whose rows hold one frame in place of `temporal_patch_size`; those of
/// a clip as short take as many times as much.
///
/// On flex the bytes are those of the process, less the program itself and the pictures while they are decoded; `glm4v
/// plan` adds both. On other backends they are a bound for what burn holds, without what its pools keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where the tower runs.
    pub target: Target,
    /// How the batch is cut.
    pub cut: Cut,
    /// Each picture or clip, in the order of the batch.
    pub items: Vec<PlanItem>,
    /// Patches of the largest part.
    pub patches_at_once: usize,
    /// Bytes of the parameters as they are held, in the target's type; on flex, packed.
    pub weights: u64,
    /// Most bytes while they are loaded, themselves included.
    pub loading: u64,
    /// Most bytes of a parameter's values that are on the host while they are loaded onto a device with memory of its own.
    pub staging: u64,
    /// Bytes of the patch rows, which are on the host.
    pub patch_rows: u64,
    /// Most bytes that the tower holds beside the parameters, its results included.
    pub activations: u64,
    /// Bytes of the embeddings, as f32.
    pub embeddings: u64,
    /// Bytes of the largest tensor beside the parameters.
    pub largest_tensor: u64,
    /// Bytes of the largest parameter that is held whole where the device limits its buffers: weights are held in parts,
    /// and of them it is a row.
    pub largest_parameter: u64,
}

/// One picture or clip of a [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanItem {
    /// Its grid, in patches.
    pub grid: GridThw,
    /// Rows that the tower reads.
    pub patches: usize,
    /// Rows that it makes of them: placeholders in the prompt.
    pub tokens: usize,
    /// Floating-point operations, two for each multiplication.
    pub operations: u64,
}

impl Plan {
    /// The plan for a batch of `grids`, cut as is usual whatever it takes.
    #[must_use]
    pub fn new(config: &VisionConfig, grids: &[GridThw], target: Target) -> Self {
        Self::with_cut(config, grids, target, Cut::usual(target.arithmetic))
    }

    /// The plan for a batch of `grids` that is cut as `cut` says.
    #[must_use]
    pub fn with_cut(config: &VisionConfig, grids: &[GridThw], target: Target, cut: Cut) -> Self {
        Self::of_parts(config, &Part::of_grids(grids), target, cut)
    }

    fn of_parts(config: &VisionConfig, parts: &[Part], target: Target, cut: Cut) -> Self {
        let footprint = Footprint::new(config, target.arithmetic);
        let items: Vec<PlanItem> = parts
            .iter()
            .map(|&Part { grid, .. }| PlanItem {
                grid,
                patches: grid.num_patches(),
                tokens: grid.num_tokens(config.spatial_merge_size),
                operations: footprint.operations(grid),
            })
            .collect();
        let bytes = |count: usize, width: usize| F32 * count as u64 * width as u64;
        let rows = |part: &Part| {
            let row_len = footprint.row_len(part.is_still);
            bytes(part.grid.num_patches(), row_len)
        };
        let tokens = items.iter().map(|item| item.tokens).sum();
        let embeddings = bytes(tokens, config.out_hidden_size);
        let shares = shares(parts, target.devices, |frame| footprint.operations(frame));
        let loads = shares
            .iter()
            .map(|share| ShareLoad::new(config, footprint, share, cut));
        let load = loads.fold(ShareLoad::default(), ShareLoad::max);
        Self {
            target,
            cut,
            items,
            patches_at_once: load.patches_at_once,
            weights: footprint.weights(),
            loading: footprint.loading(),
            staging: if target.on_host {
                0
            } else {
                footprint.staging()
            },
            patch_rows: parts.iter().map(rows).sum(),
            activations: load.activations,
            embeddings,
            largest_tensor: load.largest_tensor,
            largest_parameter: footprint.largest_parameter(),
        }
    }

    /// The plan for a batch of `grids` that is cut until it takes no more than `memory` bytes of the device
    /// ([`Plan::on_device`]), and no tensor more than the target allows.
    ///
    /// # Errors
    /// [`Error::Memory`] where the smallest parts, single frames and a few queries of each, take more, and
    /// [`Error::Buffer`] where one of their tensors does, or a parameter that is not held in parts.
    pub fn within(
        config: &VisionConfig,
        grids: &[GridThw],
        target: Target,
        memory: u64,
    ) -> Result<Self, Error> {
        let usual = Cut::usual(target.arithmetic);
        let plan = Self::from_cut(config, &Part::of_grids(grids), target, usual, memory)?;
        plan.fits(plan.largest_parameter)?;
        Ok(plan)
    }

    /// [`Plan::within`], starting from `cut`, for a tower that is loaded: its parameters are there.
    pub(crate) fn from_cut(
        config: &VisionConfig,
        parts: &[Part],
        target: Target,
        cut: Cut,
        memory: u64,
    ) -> Result<Self, Error> {
        let frames = parts.iter().map(|part| part.grid.h * part.grid.w);
        let largest = frames.max().unwrap_or(0);
        let mut plan = Self::of_parts(config, parts, target, cut);
        while let Err(error) = plan.check(memory) {
            let Some(smaller) = plan.cut.smaller(largest) else {
                return Err(error);
            };
            plan = Self::of_parts(config, parts, target, smaller);
        }
        Ok(plan)
    }

    fn check(&self, memory: u64) -> Result<(), Error> {
        let needed = self.on_device();
        if needed > memory {
            let allowed = memory;
            return Err(Error::Memory { needed, allowed });
        }
        self.fits(self.largest_tensor)
    }

    /// Whether a buffer holds a tensor of `needed` bytes.
    fn fits(&self, needed: u64) -> Result<(), Error> {
        match self.target.max_buffer {
            Some(allowed) if needed > allowed => Err(Error::Buffer { needed, allowed }),
            _ => Ok(()),
        }
    }

    /// Most bytes of the device's memory, at any time; on a CPU, of the process's.
    #[must_use]
    pub fn on_device(&self) -> u64 {
        let running = self.weights + self.activations;
        match self.target.on_host {
            true => self.patch_rows + running.max(self.loading),
            false => running,
        }
    }

    /// Most bytes of the host's memory, at any time: for a GPU, the patch rows, with a parameter on its way to the device
    /// or the embeddings.
    #[must_use]
    pub fn on_host(&self) -> u64 {
        match self.target.on_host {
            true => self.on_device(),
            false => self.patch_rows + self.embeddings.max(self.staging),
        }
    }

    /// Most bytes of the host's memory while parameters are loaded.
    #[must_use]
    pub fn loading_on_host(&self) -> u64 {
        match self.target.on_host {
            true => self.loading,
            false => self.staging,
        }
    }

    /// Rows that the tower reads.
    #[must_use]
    pub fn num_patches(&self) -> usize {
        self.items.iter().map(|item| item.patches).sum()
    }

    /// Rows that it makes of them.
    #[must_use]
    pub fn num_tokens(&self) -> usize {
        self.items.iter().map(|item| item.tokens).sum()
    }

    /// Floating-point operations of all items.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.items.iter().map(|item| item.operations).sum()
    }
}

/// What a device's share of a batch takes beside the parameters.
#[derive(Clone, Copy, Default)]
struct ShareLoad {
    activations: u64,
    largest_tensor: u64,
    patches_at_once: usize,
}

impl ShareLoad {
    fn new(config: &VisionConfig, footprint: Footprint<'_>, share: &Piece, cut: Cut) -> Self {
        let mut most = Self::default();
        let (mut count, mut last) = (0, Vec::new());
        for piece in pieces(&share.parts, cut.max_patches) {
            count += 1;
            // A long clip's pieces are alike but for the first and the last.
            if piece.parts != last {
                let (grids, stills, bytes) = (piece.grids(), piece.stills(), cut.max_score_bytes);
                most = most.max(Self {
                    activations: footprint.activations(&grids, stills, bytes),
                    largest_tensor: footprint.largest_tensor(&grids, stills, bytes),
                    patches_at_once: piece.rows.len(),
                });
                last = piece.parts;
            }
        }
        let merge = config.spatial_merge_size;
        let tokens = share.parts.iter().map(|part| part.grid.num_tokens(merge));
        let embeddings = F32 * (tokens.sum::<usize>() * config.out_hidden_size) as u64;
        Self {
            activations: match count {
                0 | 1 => most.activations.max(embeddings),
                // Results wait for one another, and are then put together.
                _ => (most.activations + embeddings).max(2 * embeddings),
            },
            ..most
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            activations: self.activations.max(other.activations),
            largest_tensor: self.largest_tensor.max(other.largest_tensor),
            patches_at_once: self.patches_at_once.max(other.patches_at_once),
        }
    }
}

#[cfg(test)]
mod tests {
    use glm4v_config::Preset;

    use super::*;

    const GRIDS: [GridThw; 3] = [
        GridThw::new(1, 24, 26),
        GridThw::new(6, 10, 12),
        GridThw::new(1, 50, 38),
    ];

    fn plan(target: Target, memory: u64) -> Result<Plan, Error> {
        Plan::within(&Preset::Medium.vision(), &GRIDS, target, memory)
    }

    #[test]
    fn items_are_counted() {
        let plan = plan(Target::new(Backend::Flex, FloatDType::F32), u64::MAX).unwrap();
        let patches = plan.items.iter().map(|item| item.patches);
        assert_eq!(patches.collect::<Vec<_>>(), [624, 720, 1900]);
        assert_eq!(plan.num_tokens(), 3244 / 4);
        assert_eq!(plan.patch_rows, ((624 + 1900) * 588 + 720 * 1176) * 4);
        // The clip goes with the first picture only as far as 1,024 patches reach; the other picture is a part by itself.
        assert_eq!((plan.cut.max_patches, plan.patches_at_once), (1024, 1900));
    }

    #[test]
    fn memory_is_kept_by_cutting_and_refused_below_the_least() {
        let target = Target::new(Backend::Ndarray, FloatDType::F32);
        let whole = plan(target, u64::MAX).unwrap();
        assert_eq!(whole.cut, Cut::usual(target.arithmetic));
        let less = plan(target, whole.on_device() - 1).unwrap();
        assert!(less.cut.max_patches < whole.cut.max_patches);
        assert!(less.on_device() < whole.on_device());
        let Err(Error::Memory { needed, allowed: 1 }) = plan(target, 1) else {
            panic!("a byte is enough");
        };
        let least = plan(target, needed).unwrap();
        assert_eq!(least.on_device(), needed);
        assert_eq!(least.cut.max_patches, 1900);
        assert!(plan(target, needed - 1).is_err());
    }

    #[test]
    fn a_gpu_holds_no_patch_rows_and_its_buffers_are_limited() {
        let mut target = Target::new(Backend::Wgpu, FloatDType::F16);
        let whole = plan(target, u64::MAX).unwrap();
        assert_eq!(whole.on_device(), whole.weights + whole.activations);
        assert!(whole.on_host() < whole.on_device());
        target.max_buffer = Some(whole.largest_tensor - 1);
        let cut = plan(target, u64::MAX).unwrap();
        assert!(cut.largest_tensor < whole.largest_tensor);
        // The merger's weights are held in parts, the position table is not, and rows are cut no finer than frames.
        let table = 2 * 24 * 24 * Preset::Medium.vision().hidden_size as u64;
        assert_eq!(whole.largest_parameter, table);
        let frame = [GridThw::new(1, 2, 2)];
        let small = |max_buffer| {
            let max_buffer = Some(max_buffer);
            let target = Target {
                max_buffer,
                ..target
            };
            Plan::within(&Preset::Medium.vision(), &frame, target, u64::MAX)
        };
        small(table).unwrap();
        let refused = small(table - 1).unwrap_err();
        assert!(matches!(refused, Error::Buffer { needed, .. } if needed == table));
        target.max_buffer = Some(1 << 20);
        let refused = plan(target, u64::MAX).unwrap_err().to_string();
        assert!(refused.contains("1.00 MiB"), "{refused}");
    }

    #[test]
    fn the_longest_clip_is_planned_at_once() {
        let grids = [GridThw::new(1 << 23, 2, 2)];
        let target = Target::new(Backend::Flex, FloatDType::F32);
        let config = Preset::Tiny.vision();
        let plan = Plan::new(&config, &grids, target);
        assert_eq!(plan.patches_at_once, 1024);
        assert_eq!(plan.activations, 2 * plan.embeddings);
        let short = Plan::new(&config, &[GridThw::new(512, 2, 2)], target);
        assert_eq!(short.largest_tensor, plan.largest_tensor);
    }

    #[test]
    fn each_of_several_devices_holds_its_share() {
        let target = Target::new(Backend::Cuda, FloatDType::BF16);
        let alone = plan(target, u64::MAX).unwrap();
        let shared = plan(
            Target {
                devices: 2,
                ..target
            },
            u64::MAX,
        )
        .unwrap();
        assert_eq!(alone.patches_at_once, 3244);
        // The large picture costs more than the others together.
        assert_eq!(shared.patches_at_once, 1900);
        assert_eq!(shared.weights, alone.weights);
        assert!(shared.activations < alone.activations);
        let share = Plan::new(&Preset::Medium.vision(), &GRIDS[2..], target);
        assert_eq!(shared.activations, share.activations);
    }
}
