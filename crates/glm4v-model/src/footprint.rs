//! Memory and operations of a tower, computed from its configuration.
//!
//! The sums are upper bounds that follow the code. docs/performance.md compares them with measurements.

use burn::tensor::DType;
use glm4v_config::{GridThw, Parameter, PatchKind, VisionConfig};
use glm4v_kernels::{PackedGate, PackedWeight};

use crate::ComputeMode;
use crate::cpu::block::{ROW_BLOCK, attention};
use crate::cpu::merger::TOKEN_BLOCK;
use crate::cpu::precisions;
use crate::device::linear::STEP;
use crate::tiles::{MIN_QUERIES, SCORE};

/// Bytes of an f32.
const F32: u64 = 4;
/// Bytes of rows that a product packs at a time, at most (`glm4v-kernels`).
const PACKED_ROWS: u64 = 8 << 20;
/// What a backend needs for its products: burn-flex packs about 1 MiB on each thread, and cuBLAS keeps 32 MiB.
const PRODUCTS: u64 = if cfg!(feature = "cuda") {
    36 << 20
} else {
    4 << 20
};
/// The loader keeps buffers of at most so many bytes from parameter to parameter (`glm4v-weights`).
const KEPT_BUFFER: u64 = 32 << 20;

/// The memory and the operations of a tower. Memory is in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Footprint<'a> {
    config: &'a VisionConfig,
    mode: ComputeMode,
}

/// The largest pass over a batch, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Patches of the pass.
    pub patches: usize,
    /// The peak without the parameters: rows, outputs and everything between them.
    pub activations: u64,
    /// The largest tensor, if it runs on a device.
    pub largest_tensor: u64,
}

impl<'a> Footprint<'a> {
    /// The footprint of the tower of `config`.
    #[must_use]
    pub const fn new(config: &'a VisionConfig, mode: ComputeMode) -> Self {
        Self { config, mode }
    }

    /// The parameters, packed on the CPU.
    #[must_use]
    pub fn weights(&self) -> u64 {
        self.loads().iter().map(|[kept, ..]| kept).sum()
    }

    /// The peak while parameters are loaded: the sum of the loaded parameters, and two buffers. One has the f32 values of the
    /// current parameter, and the other its stored values. These have 16 bits in published checkpoints.
    #[must_use]
    pub fn loading(&self) -> u64 {
        let (mut total, mut buffer, mut peak) = (0, 0, 0);
        for [kept, waiting, values] in self.loads() {
            total += kept;
            // A buffer is used again if it is not much too large.
            if !(values..=KEPT_BUFFER.max(4 * values)).contains(&buffer) {
                buffer = values;
            }
            // A larger parameter is read in slices, which are small beside its values.
            let stored = if buffer <= KEPT_BUFFER { buffer / 2 } else { 0 };
            peak = peak.max(total + waiting + buffer + stored);
        }
        peak
    }

    /// The largest parameter in f32: host memory that an upload to a device needs.
    #[must_use]
    pub fn staging(&self) -> u64 {
        let values = self.loads().into_iter().map(|[.., values]| values);
        values.max().unwrap_or(0)
    }

    /// The largest of the passes over `spans`, each with whole frames of at most `max_patches` patches. A larger frame has its
    /// own pass. Every patch counts as if it had the largest row and were in the largest frame.
    ///
    /// `max_score_bytes` is `None` where attention does not store its scores.
    #[must_use]
    pub fn pass(
        &self,
        spans: &[(GridThw, PatchKind)],
        max_patches: usize,
        max_score_bytes: Option<u64>,
    ) -> Pass {
        let frames = || spans.iter().map(|(grid, _)| grid.h * grid.w);
        let frame = frames().max().unwrap_or(0);
        let all: usize = spans.iter().map(|(grid, _)| grid.num_patches()).sum();
        let patches = all.min(max_patches.max(frame));
        let row_len = spans
            .iter()
            .map(|&(_, kind)| self.config.row_len(kind))
            .max();
        let row = row_len.unwrap_or(0).next_multiple_of(STEP) as u64;
        let key_bytes = SCORE * self.config.num_heads as u64 * frame as u64;
        let scores = |queries: usize| key_bytes * queries as u64;
        let least = scores(frame.min(MIN_QUERIES));
        let scores = max_score_bytes.map_or(0, |most| scores(patches).min(most.max(least)));
        let widest = self.widest(row) * patches as u64;
        let (activations, largest_tensor) = match self.mode {
            ComputeMode::Cpu(precision) => {
                let kernel = attention(self.config, precision);
                let keys = |len| kernel.packed_bytes(&[len]).div_ceil(len.max(1) as u64);
                let keys = frames().map(keys).max().unwrap_or(0);
                (self.on_cpu(patches as u64, row, keys), widest)
            }
            ComputeMode::Device(_) => {
                let activations = self.on_device(patches as u64, row, scores);
                (activations, widest.max(scores))
            }
        };
        Pass {
            patches,
            activations,
            largest_tensor,
        }
    }

    /// The largest parameter that cannot be split: the position table, a vector, or one row of a weight.
    #[must_use]
    pub fn largest_parameter(&self) -> u64 {
        let values = |parameter: Parameter| match parameter.shape[..] {
            [rows, _, ..] if parameter.key != Parameter::POSITION_TABLE => {
                parameter.num_elements() / rows as u64
            }
            _ => parameter.num_elements(),
        };
        let values = self.config.parameters().into_iter().map(values);
        values.max().unwrap_or(0) * self.value()
    }

    /// Floating-point operations of the products and the attention over `grid`, two for each multiplication. The rest of the
    /// tower is a thousandth.
    #[must_use]
    pub fn operations(&self, grid: GridThw) -> u64 {
        let config = self.config;
        let [hidden, mlp, out, merger] = self.widths();
        let (patches, segment) = (grid.num_patches() as u64, (grid.h * grid.w) as u64);
        let tokens = grid.num_tokens(config.spatial_merge_size) as u64;
        let block = 4 * hidden * hidden + 3 * hidden * mlp + 2 * segment * hidden;
        let per_patch = config.patch_dim() as u64 * hidden + config.depth as u64 * block;
        let per_token = out * out + 3 * out * merger;
        // The merge multiplies every patch with one slice of its kernel.
        2 * (patches * (per_patch + hidden * out) + tokens * per_token)
    }

    /// Bytes of a value of the tower's type.
    fn value(&self) -> u64 {
        DType::from(self.mode.dtype()).size() as u64
    }

    /// Values of a row: hidden, MLP, embedding, merger's MLP.
    fn widths(&self) -> [u64; 4] {
        let config = self.config;
        let (hidden, out) = (config.hidden_size, config.out_hidden_size);
        [hidden, config.mlp_size(), out, config.merger_size()].map(|width| width as u64)
    }

    /// For each parameter, the bytes that stay, those of f32 values that have waited for it, and those of its own f32 values. The
    /// last two are freed afterwards. The largest parameters are loaded first. The patch kernel's sum over its frames comes
    /// last.
    fn loads(&self) -> Vec<[u64; 3]> {
        let mut parameters = self.config.parameters();
        parameters.sort_by_key(|parameter| !parameter.loads_first());
        let loads = parameters.iter().map(|parameter| self.load(parameter));
        let image_row = self.config.row_len(PatchKind::Image) as u64 + 1;
        let image_kernel = F32 * self.config.hidden_size as u64 * image_row;
        let frames = self.config.temporal_patch_size as u64;
        let sum = (frames > 1).then_some([image_kernel, 0, frames * image_kernel]);
        loads.chain(sum).collect()
    }

    fn load(&self, parameter: &Parameter) -> [u64; 3] {
        let Parameter { key, shape } = parameter;
        let values = F32 * parameter.num_elements();
        let matrix = [shape[0], shape[1..].iter().product()];
        match self.mode {
            ComputeMode::Device(_) => [parameter.num_elements() * self.value(), 0, values],
            ComputeMode::Cpu(_) if shape.len() == 1 || key == Parameter::POSITION_TABLE => {
                [values, 0, 0]
            }
            // It waits for its up_proj.
            ComputeMode::Cpu(_) if key.ends_with("gate_proj.weight") => [0, 0, values],
            ComputeMode::Cpu(tower) => {
                let precision = precisions::of_weight(key, tower);
                match key.ends_with("up_proj.weight") {
                    true => [PackedGate::bytes(matrix, precision), values, values],
                    false => [PackedWeight::bytes(matrix, precision), 0, values],
                }
            }
        }
    }

    /// Bytes of the largest tensor for one patch, whose row has `row` values. Scores are not included.
    fn widest(&self, row: u64) -> u64 {
        let [hidden, mlp, out, merger] = self.widths();
        let merged = merger.max(out).div_ceil(self.merge_area());
        (F32 * row.max(mlp).max(2 * hidden).max(merged)).max(3 * hidden * self.value())
    }

    /// The largest of three stages: the patch projection, a block, and the merger. A patch has `keys` bytes of keys and values.
    fn on_cpu(&self, patches: u64, row: u64, keys: u64) -> u64 {
        let [hidden, mlp, out, merger] = self.widths().map(|width| F32 * width);
        let rotary = F32 * self.config.head_dim() as u64;
        let tokens = patches / self.merge_area();
        let (rows, some) = (
            patches.min(ROW_BLOCK as u64),
            tokens.min(TOKEN_BLOCK as u64),
        );
        let stages = [
            patches * (F32 * row + hidden),
            patches * (hidden + rotary + keys) + rows * (5 * hidden + mlp),
            tokens * 2 * out + some * (2 * out + merger),
        ];
        let packed = PACKED_ROWS.min(patches * mlp.max(F32 * self.config.patch_dim() as u64));
        packed + stages.into_iter().max().unwrap_or(0)
    }

    /// The largest stage. Norms, rotary embedding and activations are computed in f32 whatever the type.
    fn on_device(&self, patches: u64, row: u64, scores: u64) -> u64 {
        let ([hidden, mlp, out, merger], value) = (self.widths(), self.value());
        let tokens = patches / self.merge_area();
        // Cosines once and sines twice on the device, both on the host
        let rotary = patches * 5 * F32 * self.config.head_dim() as u64 / 2;
        let stages = [
            patches * (row + hidden) * (F32 + value),
            // Scores, exponentials and weights
            patches * hidden * (11 * value).max(5 * value + 8 * F32) + 3 * scores,
            patches * 2 * (hidden * value + mlp * (value + F32)),
            tokens * 2 * (out * value + merger * (value + F32)),
        ];
        PRODUCTS + rotary + stages.into_iter().max().unwrap_or(0)
    }

    /// Patches of a token.
    fn merge_area(&self) -> u64 {
        self.config.spatial_merge_size.pow(2) as u64
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::FloatDType;
    use glm4v_config::Preset;
    use glm4v_kernels::Precision;

    use super::*;
    use crate::layout::SegmentGroup;
    use crate::tiles::Tile;

    const F32S: ComputeMode = ComputeMode::Device(FloatDType::F32);

    #[test]
    fn operations_are_those_of_the_products() {
        let config = Preset::Glm41V9B.vision();
        let footprint = Footprint::new(&config, F32S);
        // 783 GFLOP in the blocks' products, 49 in attention, 60 after them, and 2 before.
        let operations = footprint.operations(GridThw::new(1, 24, 24));
        assert_eq!(operations / 1_000_000_000, 894);
        // Attention stays within a frame.
        let [frames, still] = [GridThw::new(4, 24, 24), GridThw::new(1, 48, 48)];
        assert_eq!(footprint.operations(frames), 4 * operations);
        assert!(footprint.operations(still) > 4 * operations);
    }

    /// The sum of the patch kernel's frames and its bias, in f32.
    fn stills(config: &VisionConfig) -> u64 {
        4 * (config.hidden_size * (3 * 14 * 14 + 1)) as u64
    }

    #[test]
    fn weights_are_counted_as_they_are_held() {
        let config = Preset::Glm41V9B.vision();
        let stills = stills(&config);
        let weights = |mode| Footprint::new(&config, mode).weights() - stills;
        assert_eq!(weights(F32S), 4 * config.num_parameters());
        assert_eq!(
            weights(ComputeMode::Device(FloatDType::F16)),
            2 * config.num_parameters()
        );
        // Every width is a multiple of 32: nothing is padded, and the table and norms stay f32.
        assert_eq!(
            weights(ComputeMode::Cpu(Precision::F32)),
            4 * config.num_parameters()
        );
        let packed = weights(ComputeMode::Cpu(Precision::Bf16));
        let more = packed - 2 * config.num_parameters();
        assert!(more > 0 && more < 4 << 20, "{more}");
        // One scale for 128 integers; the patch kernel is bf16.
        let packed = weights(ComputeMode::Cpu(Precision::Int8));
        let more = packed - config.num_parameters() * 33 / 32;
        assert!(more > 0 && more < 6 << 20, "{more}");
    }

    #[test]
    fn biases_are_counted_beside_their_weights() {
        let config = Preset::GlmOcr.vision();
        let host = Footprint::new(&config, ComputeMode::Cpu(Precision::F32));
        let expected = 4 * config.num_parameters() + stills(&config);
        assert_eq!(host.weights(), expected);
    }

    #[test]
    fn only_weights_are_held_in_parts() {
        let config = Preset::Glm41V9B.vision();
        let table = 4 * (config.position_side().pow(2) * config.hidden_size) as u64;
        let footprint = Footprint::new(&config, F32S);
        assert_eq!(footprint.largest_parameter(), table);
        // GLM-OCR has no table; its longest row is that of the merger's last weight.
        let config = Preset::GlmOcr.vision();
        let row = 4 * config.merger_size().max(4 * config.hidden_size) as u64;
        let footprint = Footprint::new(&config, F32S);
        assert_eq!(footprint.largest_parameter(), row);
    }

    #[test]
    fn loading_takes_little_beside_the_weights() {
        for (preset, beside) in [(Preset::Glm41V9B, 75), (Preset::GlmOcr, 50)] {
            let config = preset.vision();
            let footprint = Footprint::new(&config, ComputeMode::Cpu(Precision::F32));
            let more = footprint.loading() - footprint.weights();
            assert!(more >> 20 <= beside, "{preset}: {more}");
        }
    }

    /// The buffer of the merger's first weight stays until all parameters are loaded.
    #[test]
    fn buffers_are_kept_while_parameters_are_loaded() {
        let config = VisionConfig {
            depth: 1,
            hidden_size: 512,
            num_heads: 8,
            out_hidden_size: 1600,
            intermediate_size: 480,
            ..Preset::Small.vision()
        };
        let footprint = Footprint::new(&config, ComputeMode::Cpu(Precision::F32));
        let more = footprint.loading() - footprint.weights();
        assert!(more >= 4 * 1600 * 4 * 512, "{more}");
    }

    #[test]
    fn memory_grows_with_the_rows_and_is_bounded_in_the_scores() {
        let config = Preset::Medium.vision();
        let device = Footprint::new(&config, F32S);
        let grid = [GridThw::new(1, 100, 102)];
        let images = |grids: &[GridThw]| -> Vec<_> {
            let grids = grids.iter();
            grids.map(|&grid| (grid, PatchKind::Image)).collect()
        };
        let pass = |bytes| device.pass(&images(&grid), usize::MAX, Some(bytes));
        let bounded = |bytes| pass(bytes).activations;
        let scores = 4 * config.num_heads as u64 * 10_200 * 10_200;
        assert!(bounded(u64::MAX) > 3 * scores);
        assert!(bounded(1 << 26) < scores);
        assert_eq!(pass(u64::MAX).largest_tensor, scores);
        let not_stored = device.pass(&images(&grid), usize::MAX, None);
        assert!(not_stored.activations < scores);
        let host = Footprint::new(&config, ComputeMode::Cpu(Precision::F32));
        let activations = |grids: &[GridThw]| {
            let pass = host.pass(&images(grids), usize::MAX, None);
            pass.activations
        };
        assert!(activations(&grid) < scores);
        let two = [grid[0], GridThw::new(1, 102, 100)];
        let (one, two) = (activations(&grid), activations(&two));
        assert!(two > one * 3 / 2 && two < 2 * one, "{one}, {two}");
    }

    #[test]
    fn rows_of_images_have_one_frame() {
        // So narrow a tower has its peak while patches are projected.
        let config = Preset::Tiny.vision();
        let cpu = Footprint::new(&config, ComputeMode::Cpu(Precision::F32));
        let grid = GridThw::new(1, 48, 48);
        let kinds = [PatchKind::Image, PatchKind::Video];
        assert_eq!(kinds.map(|kind| config.row_len(kind)), [588, 1176]);
        let patches = grid.num_patches();
        let pass = |kind| cpu.pass(&[(grid, kind)], usize::MAX, None);
        let [image, video] = kinds.map(|kind| pass(kind).activations);
        let more = video - image;
        assert!(more as usize > patches * 588 * 4 / 2, "{more}");
    }

    #[test]
    fn a_pass_has_whole_frames() {
        let config = Preset::Tiny.vision();
        let device = Footprint::new(&config, F32S);
        let patches = |grids: &[[usize; 3]], max_patches| {
            let span = |grid: &[usize; 3]| (GridThw::from(*grid), PatchKind::Image);
            let spans: Vec<_> = grids.iter().map(span).collect();
            device.pass(&spans, max_patches, None).patches
        };
        assert_eq!(patches(&[[1, 2, 2], [2, 2, 4]], 100), 20);
        assert_eq!(patches(&[[1, 2, 2], [2, 2, 4]], 8), 8);
        assert_eq!(patches(&[[1, 2, 2], [2, 2, 4]], 1), 8);
        assert_eq!(patches(&[], 1), 0);
    }

    /// The bound of the scores covers the tiles of every group.
    #[test]
    fn scores_are_those_of_the_largest_tile() {
        let config = Preset::Medium.vision();
        let device = Footprint::new(&config, F32S);
        let heads = config.num_heads;
        for (segments, h, w) in [(1, 2, 2), (5, 10, 30), (1, 100, 102), (300, 4, 4)] {
            let group = SegmentGroup {
                segments,
                length: h * w,
            };
            let spans = [(GridThw::new(segments, h, w), PatchKind::Video)];
            for bytes in [1, 1 << 16, 1 << 22, 1 << 28, u64::MAX] {
                let tile = Tile::new(group, heads, bytes, SCORE);
                let queries = (tile.segments * tile.queries) as u64;
                let scores = 4 * heads as u64 * queries * group.length as u64;
                let pass = device.pass(&spans, usize::MAX, Some(bytes));
                assert!(pass.largest_tensor >= scores, "{group:?}, {bytes}");
            }
        }
    }
}
