//! One block of GLM-4.1V's tower on the CPU, over the 576 patches of one image of 336×336. Throughput is in floating-point operations
//! of its products and its attention, two for each multiplication.

use std::time::{Duration, Instant};

use burn::tensor::{DType, Device, Tensor, TensorData};
use criterion::{Criterion, Throughput};
use glm4v_config::{GridThw, Preset, VisionConfig};
use glm4v_model::{
    ComputeMode, ForwardOptions, PatchRows, Precision, Stage, StoredValues, TowerBuilder,
    VisionModel,
};

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut group = criterion.benchmark_group("block");
    let config = config();
    let grid = GridThw::new(1, 24, 24);
    group.throughput(Throughput::Elements(operations(&config, grid)));
    for (name, precision) in [("f32", Precision::F32), ("bf16", Precision::Bf16)] {
        let model = model(&config, precision);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| block(&model, grid)).sum());
        });
    }
    group.finish();
    criterion.final_summary();
}

/// One block, and a small merger.
fn config() -> VisionConfig {
    VisionConfig {
        depth: 1,
        intermediate_size: 64,
        ..Preset::Glm41V9B.vision()
    }
}

fn model(config: &VisionConfig, precision: Precision) -> VisionModel {
    let mode = ComputeMode::Cpu(precision);
    let mut builder = TowerBuilder::new(config, &Device::flex(), mode);
    for parameter in config.parameters() {
        let values = numbers(parameter.shape.iter().product());
        match &mut builder {
            TowerBuilder::Cpu(builder) => builder.add(&parameter.key, StoredValues::F32(&values)),
            TowerBuilder::Device(_) => unreachable!("the mode is a CPU mode"),
        }
    }
    builder.build().expect("all parameters were added")
}

fn operations(config: &VisionConfig, grid: GridThw) -> u64 {
    let (hidden, patches) = (config.hidden_size, grid.num_patches());
    let products = 4 * hidden * hidden + 3 * hidden * config.mlp_size();
    2 * (patches * (products + 2 * patches * hidden)) as u64
}

/// The time of the block in one forward pass.
fn block(model: &VisionModel, grid: GridThw) -> Duration {
    let shape = [grid.num_patches(), model.config().patch_dim()];
    let rows = TensorData::new(numbers(shape[0] * shape[1]), shape);
    let rows = Tensor::from_data(rows, (&model.device(), DType::F32));
    let mut start = Instant::now();
    let mut time = Duration::ZERO;
    let mut observer = |stage: Stage, _: Tensor<2>| match stage {
        Stage::Embeddings => start = Instant::now(),
        Stage::Block(_) => time = start.elapsed(),
        Stage::PatchEmbed
        | Stage::PostConvLayernorm
        | Stage::BlockInput(_)
        | Stage::PostLayernorm
        | Stage::Downsample
        | Stage::Merger => {}
    };
    let options = ForwardOptions {
        observer: Some(&mut observer),
        ..ForwardOptions::default()
    };
    let output = model.forward(vec![PatchRows::Video(rows)], &[grid], options);
    output.expect("nothing cancels the pass");
    time
}

/// Small numbers. No two neighbours are equal.
fn numbers(count: usize) -> Vec<f32> {
    let number = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) % 2048;
    let values = (0..count).map(|i| (number(i) as f32 / 1024.0 - 1.0) / 32.0);
    values.collect()
}
