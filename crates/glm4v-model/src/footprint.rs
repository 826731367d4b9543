//! What a tower takes of memory and arithmetic, without the tower.
//!
//! The sums follow the code: whoever keeps a tensor alive for longer, or copies one, changes them here too. The figures
//! beside what was measured are in docs/performance.md.

use std::collections::BTreeMap;

use burn::tensor::DType;
use glm4v_config::{GridThw, Parameter, VisionConfig};
use glm4v_kernels::{PackedGate, PackedWeight, Precision};

use crate::host::pass::PART_ROWS;
use crate::host::tail::PART_TOKENS;
use crate::linear::STEP;
use crate::tiles::Tile;
use crate::walk::TAPS;
use crate::{Arithmetic, Run};

/// Bytes of an f32.
const F32: u64 = 4;
/// What a product packs of its rows at a time at most (`glm4v-kernels`).
const PACKED_ROWS: u64 = 8 << 20;

/// What glibc keeps at most of memory that was freed; with less to do, a quarter of what is in use.
const FREED: u64 = 64 << 20;

/// What the tower of a configuration takes, as far as sizes tell.
#[derive(Clone, Copy, Debug)]
pub struct Footprint<'a> {
    config: &'a VisionConfig,
    arithmetic: Arithmetic,
}

impl<'a> Footprint<'a> {
    /// Of the tower of `config`, computed as `arithmetic` says.
    #[must_use]
    pub const fn new(config: &'a VisionConfig, arithmetic: Arithmetic) -> Self {
        Self { config, arithmetic }
    }

    /// Bytes of the parameters as they are held: packed where the host's own kernels multiply with them.
    #[must_use]
    pub fn weights(&self) -> u64 {
        self.loads().iter().map(|load| load.held).sum()
    }

    /// Most bytes while the parameters are loaded: those that are held already, and the one that is being converted
    /// and packed, its values in f32.
    #[must_use]
    pub fn loading(&self) -> u64 {
        let mut held = 0;
        let peaks = self.loads().into_iter().map(|load| {
            held += load.held;
            held + load.values
        });
        peaks.max().unwrap_or(0)
    }

    /// Most bytes of a parameter's values on the host, on their way to a device with memory of its own.
    #[must_use]
    pub fn staging(&self) -> u64 {
        let values = self.loads().into_iter().map(|load| load.values);
        values.max().unwrap_or(0)
    }

    /// Values of one row of patches: a still's hold one frame.
    #[must_use]
    pub fn row_len(&self, is_still: bool) -> usize {
        match is_still {
            true => self.config.patch_dim() / self.config.temporal_patch_size,
            false => self.config.patch_dim(),
        }
    }

    /// Most bytes that one pass over `grids`, `stills` of whose patches are of stills, holds beside the parameters: its
    /// rows, its result and all between.
    #[must_use]
    pub fn activations(&self, grids: &[GridThw], stills: usize, max_score_bytes: u64) -> u64 {
        let runs = runs(grids);
        let patches: usize = runs.iter().map(|run| run.num_patches()).sum();
        let tokens = patches / (self.config.spatial_merge_size * self.config.spatial_merge_size);
        // Cosines and sines on the host; on the device sines with both signs.
        let rotary = 5 * F32 * patches as u64 * (self.config.head_dim() / 2) as u64;
        let pass = Pass {
            row_values: self.row_values(patches, stills, |len| len),
            patches: patches as u64,
            tokens: tokens as u64,
            runs: &runs,
        };
        let most = match self.arithmetic {
            Arithmetic::Host(precision) => self.on_host(pass, precision),
            Arithmetic::Device(_) => self.on_device(pass, max_score_bytes),
        };
        rotary + most
    }

    /// Bytes of the largest parameter that is held whole, where devices limit what one buffer holds: the position table
    /// or a vector, and of weights, which are held in parts, a row.
    #[must_use]
    pub fn largest_parameter(&self) -> u64 {
        let values = |parameter: Parameter| match &parameter.shape[..] {
            [rows, _, ..] if !is_looked_up(&parameter) => parameter.num_elements() / *rows as u64,
            _ => parameter.num_elements(),
        };
        let values = self.config.parameters().into_iter().map(values);
        values.max().unwrap_or(0) * self.value()
    }

    /// Bytes of the largest tensor of such a pass.
    #[must_use]
    pub fn largest_tensor(&self, grids: &[GridThw], stills: usize, max_score_bytes: u64) -> u64 {
        let config = self.config;
        let patches: usize = grids.iter().map(|grid| grid.num_patches()).sum();
        let padded = |len: usize| len.next_multiple_of(STEP);
        let padded_row_values = self.row_values(patches, stills, padded);
        let patches = patches as u64;
        let tokens = patches / (config.spatial_merge_size * config.spatial_merge_size) as u64;
        let scores = runs(grids)
            .into_iter()
            .map(|run| self.scores(run, max_score_bytes));
        let rows = [
            padded_row_values * F32,
            patches * self.value() * (3 * config.hidden_size) as u64,
            patches * F32 * (2 * config.hidden_size).max(config.mlp_size()) as u64,
            tokens * F32 * config.merger_size().max(config.out_hidden_size) as u64,
        ];
        scores.chain(rows).max().unwrap_or(0)
    }

    /// Floating-point operations of the products and of attention over `grid`, two for each multiplication: all but a
    /// thousandth of what the tower computes.
    #[must_use]
    pub fn operations(&self, grid: GridThw) -> u64 {
        let config = self.config;
        let size = |value: usize| value as u64;
        let (hidden, out) = (size(config.hidden_size), size(config.out_hidden_size));
        let patches = size(grid.num_patches());
        let tokens = size(grid.num_tokens(config.spatial_merge_size));
        let merged = size(config.spatial_merge_size * config.spatial_merge_size) * hidden;
        let block = 4 * hidden * hidden + 3 * hidden * size(config.mlp_size());
        let attention = 2 * size(grid.h * grid.w) * hidden;
        let per_patch =
            size(config.patch_dim()) * hidden + size(config.depth) * (block + attention);
        let per_token = merged * out + out * out + 3 * out * size(config.merger_size());
        2 * (patches * per_patch + tokens * per_token)
    }

    /// Bytes of a value of the tower's own type.
    fn value(&self) -> u64 {
        DType::from(self.arithmetic.dtype()).size() as u64
    }

    /// What is loaded, in the order of [`crate::VisionModel::new`].
    fn loads(&self) -> Vec<Load> {
        let mut parameters = self.config.parameters();
        parameters.sort_by_key(|parameter| match parameter.key.split('.').next() {
            Some("merger") => 0,
            Some("downsample") => 1,
            Some("blocks") => 2,
            _ => 3,
        });
        let load = |parameter: Parameter| match self.arithmetic {
            Arithmetic::Host(precision) => Load::on_host(&parameter, precision),
            Arithmetic::Device(_) => Some(Load {
                held: parameter.num_elements() * self.value(),
                values: parameter.num_elements() * F32,
            }),
        };
        let loads = parameters.into_iter().filter_map(load);
        loads.chain(self.kernel_of_stills()).collect()
    }

    /// Values of the rows of as many patches, `stills` of them of stills, each as long as `held` makes it.
    fn row_values(&self, patches: usize, stills: usize, held: fn(usize) -> usize) -> u64 {
        let [still, clip] = [true, false].map(|is_still| held(self.row_len(is_still)) as u64);
        stills as u64 * still + patches.saturating_sub(stills) as u64 * clip
    }

    /// The sum of the patch kernel's frames, where there are several, and its bias, both in f32.
    fn kernel_of_stills(&self) -> Option<Load> {
        let config = self.config;
        let frames = config.temporal_patch_size;
        let shape = [config.hidden_size, config.patch_dim() / frames];
        let weight = match self.arithmetic {
            Arithmetic::Host(_) => PackedWeight::bytes(shape, Precision::F32),
            Arithmetic::Device(_) => F32 * (shape[0] * shape[1]) as u64,
        };
        (frames > 1).then(|| Load {
            held: weight + F32 * shape[0] as u64,
            values: F32 * (shape[0] * config.patch_dim()) as u64,
        })
    }

    fn on_host(&self, pass: Pass<'_>, precision: Precision) -> u64 {
        let Pass {
            row_values,
            patches,
            tokens,
            runs,
        } = pass;
        let config = self.config;
        let size = |value: usize| F32 * value as u64;
        let hidden = size(config.hidden_size);
        let keys = glm4v_kernels::Attention {
            heads: config.num_heads,
            head_dim: config.head_dim(),
            precision,
        }
        .packed_bytes(&Run::lengths(runs));
        let out = size(config.out_hidden_size);
        let widest = size(
            config
                .patch_dim()
                .max(config.hidden_size)
                .max(config.mlp_size()),
        );
        let positions = (config.position_side() * config.position_side()) as u64;
        let merged = config.spatial_merge_size * config.spatial_merge_size * config.hidden_size;
        let part = patches.min(PART_ROWS as u64);
        let token_part = tokens.min(PART_TOKENS as u64);
        let packed_rows = PACKED_ROWS.min(patches * widest);
        let stages = [
            // The rows and what they are projected to.
            row_values * F32 + patches * hidden,
            // The taps, and a copy of the position table.
            patches * (hidden + 2 * size(TAPS)) + positions * hidden,
            // All rows, keys and values; of a part its norm, queries, keys and values, outputs and MLP.
            patches * hidden + keys + part * (5 * hidden + size(config.mlp_size())),
            patches * hidden + tokens * out + token_part * size(merged),
            // What the merger reads, once for the caller, and its result.
            tokens * 3 * out + token_part * (2 * out + size(config.merger_size())),
        ];
        let live = packed_rows + stages.into_iter().max().unwrap_or(0);
        live + (live / 4).min(FREED)
    }

    /// Norms, rotary embedding and activations are worked out by parts, in f32, whatever the type.
    fn on_device(&self, pass: Pass<'_>, max_score_bytes: u64) -> u64 {
        let Pass {
            row_values,
            patches,
            tokens,
            runs,
        } = pass;
        let config = self.config;
        let value = self.value();
        let (hidden, mlp) = (config.hidden_size as u64, config.mlp_size() as u64);
        let (out, merger) = (config.out_hidden_size as u64, config.merger_size() as u64);
        let scores = runs.iter().map(|run| self.scores(*run, max_score_bytes));
        let stages = [
            row_values * (F32 + value) + patches * hidden * (F32 + value),
            patches * hidden * (value + 4 * F32),
            // Turning queries and keys, then scores, exponentials and weights.
            patches * hidden * (5 * value + 8 * F32),
            patches * hidden * 11 * value + 3 * scores.max().unwrap_or(0),
            patches * (2 * hidden * value + mlp * 2 * (value + F32)),
            tokens * (2 * out * value + merger * 2 * (value + F32)),
        ];
        stages.into_iter().max().unwrap_or(0)
    }

    fn scores(&self, run: Run, max_score_bytes: u64) -> u64 {
        let heads = self.config.num_heads;
        match self.arithmetic {
            Arithmetic::Host(_) => 0,
            Arithmetic::Device(_) => Tile::new(run, heads, max_score_bytes).score_bytes(run, heads),
        }
    }
}

/// What one pass goes over.
#[derive(Clone, Copy)]
struct Pass<'a> {
    row_values: u64,
    patches: u64,
    tokens: u64,
    runs: &'a [Run],
}

/// One step of loading.
struct Load {
    /// Bytes that stay.
    held: u64,
    /// Bytes that go when it is done.
    values: u64,
}

impl Load {
    /// Of `parameter`; a `gate_proj` is packed with its `up_proj`, and counted there.
    fn on_host(parameter: &Parameter, precision: Precision) -> Option<Self> {
        let key = &parameter.key;
        if key.ends_with("gate_proj.weight") {
            return None;
        }
        let values = parameter.num_elements() * F32;
        let outer = parameter.shape[0];
        let inner = parameter.shape[1..].iter().product();
        let is_kept = parameter.shape.len() == 1 || is_looked_up(parameter);
        Some(if is_kept {
            Self {
                held: values,
                values: 0,
            }
        } else if key.ends_with("up_proj.weight") {
            Self {
                held: PackedGate::bytes([outer, inner], precision),
                values: 2 * values,
            }
        } else {
            Self {
                held: PackedWeight::bytes([outer, inner], precision),
                values,
            }
        })
    }
}

/// Whether rows of it are taken, where products are made with others.
fn is_looked_up(parameter: &Parameter) -> bool {
    parameter.key.ends_with("position_embedding.weight")
}

/// The segments of `grids`, those of equal length together.
fn runs(grids: &[GridThw]) -> Vec<Run> {
    let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
    for grid in grids {
        *lengths.entry(grid.h * grid.w).or_default() += grid.t;
    }
    let run = |(length, segments)| Run { segments, length };
    lengths.into_iter().map(run).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::FloatDType;
    use glm4v_config::Preset;

    use super::*;

    const F32S: Arithmetic = Arithmetic::Device(FloatDType::F32);

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
        let weights = |arithmetic| Footprint::new(&config, arithmetic).weights() - stills;
        assert_eq!(weights(F32S), 4 * config.num_parameters());
        assert_eq!(
            weights(Arithmetic::Device(FloatDType::F16)),
            2 * config.num_parameters()
        );
        // Every width is a multiple of 32: nothing is padded, and the table and norms stay f32.
        assert_eq!(
            weights(Arithmetic::Host(Precision::F32)),
            4 * config.num_parameters()
        );
        let packed = weights(Arithmetic::Host(Precision::Bf16));
        let more = packed - 2 * config.num_parameters();
        assert!(more > 0 && more < 4 << 20, "{more}");
    }

    #[test]
    fn biases_are_counted_beside_their_weights() {
        let config = Preset::GlmOcr.vision();
        let host = Footprint::new(&config, Arithmetic::Host(Precision::F32));
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
        for (preset, beside) in [(Preset::Glm41V9B, 50), (Preset::GlmOcr, 35)] {
            let config = preset.vision();
            let footprint = Footprint::new(&config, Arithmetic::Host(Precision::F32));
            let more = footprint.loading() - footprint.weights();
            assert!(more >> 20 <= beside, "{preset}: {more}");
        }
    }

    #[test]
    fn memory_grows_with_the_rows_and_is_bounded_in_the_scores() {
        let config = Preset::Medium.vision();
        let device = Footprint::new(&config, F32S);
        let grid = [GridThw::new(1, 100, 102)];
        let bounded = |bytes| device.activations(&grid, 10_200, bytes);
        let scores = 4 * config.num_heads as u64 * 10_200 * 10_200;
        assert!(bounded(u64::MAX) > 3 * scores);
        assert!(bounded(1 << 26) < scores);
        assert_eq!(device.largest_tensor(&grid, 0, u64::MAX), scores);
        let host = Footprint::new(&config, Arithmetic::Host(Precision::F32));
        let activations = |grids: &[GridThw]| host.activations(grids, grids.len() * 10_200, 0);
        assert!(activations(&grid) < scores);
        let two = [grid[0], GridThw::new(1, 102, 100)];
        let (one, two) = (activations(&grid), activations(&two));
        assert!(two > one * 3 / 2 && two < 2 * one, "{one}, {two}");
    }

    #[test]
    fn rows_of_stills_are_of_one_frame() {
        // So narrow a tower holds most while patches are projected.
        let config = Preset::Tiny.vision();
        let host = Footprint::new(&config, Arithmetic::Host(Precision::F32));
        let still = GridThw::new(1, 48, 48);
        assert_eq!(
            [true, false].map(|is_still| host.row_len(is_still)),
            [588, 1176]
        );
        let patches = still.num_patches();
        let bytes = |stills| host.activations(&[still], stills, 0);
        let more = bytes(0) - bytes(patches);
        assert!(more as usize > patches * 588 * 4 / 2, "{more}");
    }
}
