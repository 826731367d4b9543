//! Both towers through the public API, with every parameter random.

use std::collections::HashMap;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use glm4v_config::{GridThw, HiddenAct, PatchKind, VisionConfig, VisionModelType};
use glm4v_model::{
    AttentionMethod, CancelToken, Cancelled, ComputeMode, ForwardOptions, MissingParameter,
    Observer, PatchRows, Precision, Stage, StoredValues, TowerBuilder, VisionModel,
};
use half::bf16;

const CPU: ComputeMode = ComputeMode::Cpu(Precision::F32);
const INT8: ComputeMode = ComputeMode::Cpu(Precision::Int8);
const DEVICE: ComputeMode = ComputeMode::Device(FloatDType::F32);
/// Four segments of odd lengths, of which equal ones are apart.
const GRIDS: [GridThw; 3] = [
    GridThw::new(1, 9, 3),
    GridThw::new(2, 3, 3),
    GridThw::new(1, 3, 9),
];
/// Limits some of the gates and some of the other factors.
const LIMIT: f64 = 0.4;
const KINDS: [PatchKind; 3] = [PatchKind::Image, PatchKind::Video, PatchKind::Image];

/// Towers with odd widths: with and without a position table, head norms and biases, and with limits.
fn configs() -> [VisionConfig; 3] {
    let config = VisionConfig {
        depth: 2,
        hidden_size: 60,
        num_heads: 5,
        image_size: 15,
        patch_size: 3,
        spatial_merge_size: 3,
        out_hidden_size: 37,
        intermediate_size: 29,
        ..VisionConfig::default()
    };
    let ocr = VisionConfig {
        model_type: VisionModelType::GlmOcrVision,
        attention_bias: true,
        hidden_act: HiddenAct::GeluPytorchTanh,
        ..config.clone()
    };
    let glm5 = VisionConfig {
        model_type: VisionModelType::Glm5NextVision,
        projection_intermediate_size: Some(43),
        swiglu_limit: Some(LIMIT),
        ..ocr.clone()
    };
    [config, ocr, glm5]
}

/// Numbers between −1 and 1 that are exact in bf16.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let mut state = seed as u64 * 2 + 1;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 56) as f32 - 127.5) / 128.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Values of each parameter, scaled so that rows keep about their size.
fn parameters(config: &VisionConfig) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let parameters = config.parameters().into_iter().enumerate();
    let parameter = parameters.map(|(seed, parameter)| {
        let width: usize = parameter.shape[1..].iter().product();
        let scale = (1.0 / width as f32).sqrt().log2().round().exp2();
        let values = numbers(parameter.num_elements() as usize, seed);
        let values = values.into_iter().map(|value| value * scale).collect();
        (parameter.key, parameter.shape, values)
    });
    parameter.collect()
}

/// A tower whose parameters are added in the given order; those in bf16 that `is_bf16` names.
fn build(
    config: &VisionConfig,
    mode: ComputeMode,
    parameters: &[(String, Vec<usize>, Vec<f32>)],
    is_bf16: impl Fn(&str) -> bool,
) -> Result<VisionModel, MissingParameter> {
    let mut builder = TowerBuilder::new(config, &Device::flex(), mode);
    assert_eq!(builder.mode(), mode);
    for (key, shape, values) in parameters {
        match &mut builder {
            TowerBuilder::Cpu(builder) if is_bf16(key) => {
                let values: Vec<bf16> = values.iter().copied().map(bf16::from_f32).collect();
                builder.add(key, StoredValues::Bf16(&values));
            }
            TowerBuilder::Cpu(builder) => builder.add(key, StoredValues::F32(values)),
            TowerBuilder::Device(builder) => {
                // Two splits of whole rows, if there are two rows.
                let first = shape[0] / 2 * values.len() / shape[0];
                let split = |values: &[f32]| {
                    let data = TensorData::new(values.to_vec(), [values.len()]);
                    Tensor::from_data(data, (&Device::flex(), DType::F32))
                };
                let splits = [&values[..first], &values[first..]];
                let splits = splits.into_iter().filter(|split| !split.is_empty());
                builder.add(key, splits.map(split).collect());
            }
        }
    }
    builder.build()
}

fn tower(config: &VisionConfig, mode: ComputeMode) -> VisionModel {
    build(config, mode, &parameters(config), |_| false).unwrap()
}

fn rows(config: &VisionConfig, grids: &[GridThw], kinds: &[PatchKind]) -> Vec<PatchRows> {
    let items = grids.iter().zip(kinds).enumerate();
    let rows = items.map(|(seed, (grid, &kind))| {
        let width = match kind {
            PatchKind::Image => config.patch_dim() / config.temporal_patch_size,
            PatchKind::Video => config.patch_dim(),
        };
        let shape = [grid.num_patches(), width];
        let data = TensorData::new(numbers(shape[0] * shape[1], 1000 + seed), shape);
        let rows = Tensor::from_data(data, (&Device::flex(), DType::F32));
        PatchRows::new(kind, rows)
    });
    rows.collect()
}

/// Keeps every stage.
#[derive(Default)]
struct Recorder(HashMap<Stage, Tensor<2>>);

impl Observer for Recorder {
    fn wants(&self, _: Stage) -> bool {
        true
    }

    fn observe(&mut self, stage: Stage, x: Tensor<2>) {
        self.0.insert(stage, x);
    }
}

fn run(model: &VisionModel, grids: &[GridThw], kinds: &[PatchKind]) -> Recorder {
    let mut stages = Recorder::default();
    let options = ForwardOptions {
        observer: Some(&mut stages),
        ..ForwardOptions::default()
    };
    let output = model.forward(rows(model.config(), grids, kinds), grids, options);
    let output = output.unwrap();
    assert_eq!(
        values(&output.embeddings),
        values(&stages.0[&Stage::Merger])
    );
    assert_eq!(
        values(&output.last_hidden_state),
        values(&stages.0[&Stage::Downsample])
    );
    stages
}

fn values<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
    x.to_data().iter().collect()
}

/// Relative L2 distance.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f32| f64::from(x).powi(2);
    let error: f64 = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    let size: f64 = expected.iter().copied().map(square).sum();
    (error / size).sqrt()
}

fn assert_towers_agree(config: &VisionConfig, grids: &[GridThw], kinds: &[PatchKind]) {
    let [cpu, device] = [CPU, DEVICE].map(|mode| run(&tower(config, mode), grids, kinds).0);
    assert_eq!(cpu.len(), device.len());
    for (stage, expected) in &device {
        let error = distance(&values(&cpu[stage]), &values(expected));
        assert!(error < 5e-6, "{:?} {stage}: {error:e}", config.model_type);
    }
}

#[test]
fn both_towers_agree_at_every_stage() {
    for config in configs() {
        assert_towers_agree(&config, &GRIDS, &KINDS);
    }
}

/// Otherwise no other test would see a limit that is ignored.
#[test]
fn a_limit_changes_values() {
    let [.., config] = configs();
    let unlimited = VisionConfig {
        swiglu_limit: Some(f64::INFINITY),
        ..config.clone()
    };
    for mode in [CPU, DEVICE] {
        let [limited, unlimited] = [&config, &unlimited].map(|config| {
            let stages = run(&tower(config, mode), &GRIDS, &KINDS).0;
            [Stage::Block(0), Stage::Merger].map(|stage| values(&stages[&stage]))
        });
        for (limited, unlimited) in limited.iter().zip(&unlimited) {
            assert!(distance(limited, unlimited) > 1e-2, "{mode:?}");
        }
    }
}

/// 1188 rows of one segment are two row blocks of the CPU tower.
#[test]
fn both_towers_agree_on_a_large_image() {
    for config in configs() {
        let grids = [GridThw::new(1, 33, 36), GridThw::new(1, 3, 3)];
        assert_towers_agree(&config, &grids, &KINDS[..2]);
    }
}

#[test]
fn rows_of_an_image_are_a_repeated_frame() {
    let [config, ..] = configs();
    let [channels, area] = [config.in_channels, config.patch_size * config.patch_size];
    let grid = GRIDS[0];
    let image = numbers(grid.num_patches() * channels * area, 7);
    let whole = image
        .chunks(area)
        .flat_map(|plane| plane.repeat(config.temporal_patch_size));
    let embeddings = |kind, values: Vec<f32>, mode| {
        let shape = [grid.num_patches(), values.len() / grid.num_patches()];
        let rows = Tensor::from_data(TensorData::new(values, shape), &Device::flex());
        let rows = vec![PatchRows::new(kind, rows)];
        let output = tower(&config, mode).forward(rows, &[grid], ForwardOptions::default());
        values_of(output)
    };
    for mode in [CPU, DEVICE] {
        let found = embeddings(PatchKind::Image, image.clone(), mode);
        let expected = embeddings(PatchKind::Video, whole.clone().collect(), mode);
        let error = distance(&found, &expected);
        assert!(error < 2e-6, "{mode:?}: {error:e}");
    }
}

fn values_of(output: Result<glm4v_model::VisionOutput, Cancelled>) -> Vec<f32> {
    values(&output.unwrap().embeddings)
}

#[test]
fn attention_is_that_of_one_frame_and_adds_up_to_one() {
    for config in configs() {
        let [cpu, device] = [CPU, DEVICE].map(|mode| {
            let model = tower(&config, mode);
            let stages = run(&model, &GRIDS, &KINDS).0;
            // The last segment: 27 patches after 27 + 2 · 9.
            let input = stages[&Stage::BlockInput(1)].clone().narrow(0, 45, 27);
            let weights = model.attention_weights(1, input, (3, 9), &[0, 26]);
            assert_eq!(weights.dims(), [5, 2, 27]);
            for sum in values(&weights.clone().sum_dim(2)) {
                assert!((sum - 1.0).abs() < 1e-5, "{sum}");
            }
            values(&weights)
        });
        let error = distance(&cpu, &device);
        assert!(error < 5e-6, "{error:e}");
    }
}

#[test]
fn no_value_depends_on_the_order_of_parameters() {
    for config in configs() {
        for mode in [CPU, DEVICE] {
            let mut parameters = parameters(&config);
            let expected = build(&config, mode, &parameters, |_| false).unwrap();
            let expected = run(&expected, &GRIDS, &KINDS).0;
            parameters.reverse();
            let found = build(&config, mode, &parameters, |_| false).unwrap();
            let found = run(&found, &GRIDS, &KINDS).0;
            let [found, expected] = [found, expected].map(|stages| values(&stages[&Stage::Merger]));
            assert_eq!(found, expected, "{mode:?}");
        }
    }
}

#[test]
fn no_value_depends_on_the_stored_type() {
    let [_, config, _] = configs();
    let parameters = parameters(&config);
    for mode in [CPU, INT8] {
        let embeddings = |is_bf16: &dyn Fn(&str) -> bool| {
            let model = build(&config, mode, &parameters, is_bf16).unwrap();
            values(&run(&model, &GRIDS, &KINDS).0[&Stage::Merger])
        };
        let expected = embeddings(&|_| false);
        let gate = |key: &str| key.contains("gate_proj");
        let up = |key: &str| key.contains("up_proj");
        let both = |key: &str| gate(key) || up(key);
        let types: [&dyn Fn(&str) -> bool; 4] = [&|_| true, &gate, &up, &both];
        for is_bf16 in types {
            assert_eq!(embeddings(is_bf16), expected, "{mode:?}");
        }
    }
}

/// Two blocks and the merger: each product has an error of about 0.9 %, and errors of rows that are added stay together.
#[test]
fn eight_bits_are_close_to_f32() {
    for config in configs() {
        let [exact, rounded] = [CPU, INT8].map(|mode| {
            let stages = run(&tower(&config, mode), &GRIDS, &KINDS).0;
            [Stage::PatchEmbed, Stage::Block(1), Stage::Merger].map(|stage| values(&stages[&stage]))
        });
        let errors: Vec<f64> = exact
            .iter()
            .zip(&rounded)
            .map(|(exact, rounded)| distance(rounded, exact))
            .collect();
        let [patch_embed, block, merger] = errors[..] else {
            unreachable!("three stages");
        };
        assert!(patch_embed < 3e-3, "{patch_embed:e}");
        assert!(block > 1e-3 && block < 3e-2, "{block:e}");
        assert!(merger > 5e-3 && merger < 6e-2, "{merger:e}");
    }
}

#[test]
fn a_missing_parameter_is_named() {
    for config in configs() {
        for mode in [CPU, DEVICE] {
            let all = parameters(&config);
            for (key, ..) in &all {
                let others: Vec<_> = all.iter().filter(|(k, ..)| k != key).cloned().collect();
                let error = build(&config, mode, &others, |_| false).unwrap_err();
                assert_eq!(error.key, *key);
            }
        }
    }
}

#[test]
#[should_panic(expected = "the tower has no parameter blocks.2.norm1.weight")]
fn an_unknown_parameter_is_refused() {
    let [config, ..] = configs();
    let parameter = ("blocks.2.norm1.weight".to_owned(), vec![60], vec![1.0; 60]);
    let _ = build(&config, CPU, &[parameter], |_| false);
}

#[test]
fn a_cancelled_pass_stops_before_the_next_block() {
    let [config, ..] = configs();
    for mode in [CPU, DEVICE] {
        let model = tower(&config, mode);
        let token = CancelToken::new();
        let mut stages = Vec::new();
        let mut observer = |stage: Stage, _: Tensor<2>| {
            stages.push(stage);
            if stage == Stage::Block(0) {
                token.cancel();
            }
        };
        let options = ForwardOptions {
            cancel: Some(&token),
            observer: Some(&mut observer),
            ..ForwardOptions::default()
        };
        let rows = rows(&config, &GRIDS, &KINDS);
        assert_eq!(model.forward(rows, &GRIDS, options).err(), Some(Cancelled));
        assert_eq!(stages.last(), Some(&Stage::Block(0)));
    }
}

#[test]
fn options_of_attention_change_no_value() {
    let [config, ..] = configs();
    let model = tower(&config, DEVICE);
    let embeddings = |attention, max_score_bytes| {
        let options = ForwardOptions {
            attention,
            max_score_bytes,
            ..ForwardOptions::default()
        };
        values_of(model.forward(rows(&config, &GRIDS, &KINDS), &GRIDS, options))
    };
    let expected = embeddings(AttentionMethod::Eager, u64::MAX);
    for attention in [AttentionMethod::Eager, AttentionMethod::Backend] {
        let error = distance(&embeddings(attention, 1), &expected);
        assert!(error < 5e-6, "{attention:?}: {error:e}");
    }
}

#[test]
#[should_panic(expected = "the grids have 72 patches")]
fn rows_of_other_grids_are_refused() {
    let [config, ..] = configs();
    let rows = rows(&config, &GRIDS[1..], &KINDS[1..]);
    let _ = tower(&config, CPU).forward(rows, &GRIDS, ForwardOptions::default());
}

#[test]
#[should_panic(expected = "Image rows have 27 values")]
fn rows_of_another_width_are_refused() {
    let [config, ..] = configs();
    let rows = rows(&config, &GRIDS[..1], &[PatchKind::Video]);
    let [PatchRows::Video(rows)] = &rows[..] else {
        unreachable!("the rows are of a video");
    };
    let rows = vec![PatchRows::Image(rows.clone())];
    let _ = tower(&config, CPU).forward(rows, &GRIDS[..1], ForwardOptions::default());
}
