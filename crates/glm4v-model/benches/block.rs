//! One block of GLM-4.1V's tower on flex, over the 576 patches of one photo of 336×336. Throughput is in floating-point
//! operations of its products and attention, two for each multiplication.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use burn::tensor::{DType, Device, Tensor, TensorData};
use criterion::{Criterion, Throughput};
use glm4v_config::{GridThw, Parameter, Preset, VisionConfig};
use glm4v_model::{HostWeight, ParameterSource, Pass, Precision, Stage, VisionModel};

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
        let mut numbers = Numbers {
            parameters: config.parameters(),
            precision,
        };
        let Ok(model) = VisionModel::new(&config, &mut numbers);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| block(&model, grid)).sum());
        });
    }
    group.finish();
    criterion.final_summary();
}

/// One block, and next to nothing after it.
fn config() -> VisionConfig {
    VisionConfig {
        depth: 1,
        intermediate_size: 64,
        ..Preset::Glm41V9B.vision()
    }
}

fn operations(config: &VisionConfig, grid: GridThw) -> u64 {
    let (hidden, patches) = (config.hidden_size, grid.num_patches());
    let products = 4 * hidden * hidden + 3 * hidden * config.mlp_size();
    2 * (patches * (products + 2 * patches * hidden)) as u64
}

/// How long the block of a whole pass takes.
fn block(model: &VisionModel, grid: GridThw) -> Duration {
    let shape = [grid.num_patches(), model.config().patch_dim()];
    let patches = Tensor::from_data(numbers(shape.to_vec()), (&model.device(), DType::F32));
    let mut start = Instant::now();
    let mut taken = Duration::ZERO;
    model.forward_with(
        vec![patches],
        &[grid],
        Pass {
            observer: Some(&mut |stage, _| match stage {
                Stage::Embeddings => start = Instant::now(),
                Stage::Block(_) => taken = start.elapsed(),
                _ => {}
            }),
            ..Pass::default()
        },
    );
    taken
}

/// Parameters that mean nothing.
struct Numbers {
    parameters: Vec<Parameter>,
    precision: Precision,
}

impl Numbers {
    fn values(&self, key: &str) -> TensorData {
        let parameter = self
            .parameters
            .iter()
            .find(|parameter| parameter.key == key);
        numbers(parameter.expect("a key of the tower").shape.clone())
    }
}

impl ParameterSource for Numbers {
    type Error = Infallible;

    fn tensor<const D: usize>(&mut self, key: &str) -> Result<Tensor<D>, Infallible> {
        Ok(Tensor::from_data(
            self.values(key),
            (&Device::flex(), DType::F32),
        ))
    }

    fn is_on_host(&self) -> bool {
        true
    }

    fn host_weight(&mut self, key: &str) -> Result<Option<HostWeight>, Infallible> {
        Ok(Some(HostWeight {
            values: self.values(key),
            precision: self.precision,
        }))
    }
}

/// Small numbers of which no two neighbours are alike.
fn numbers(shape: Vec<usize>) -> TensorData {
    let number = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) % 2048;
    let count = shape.iter().product();
    let values = (0..count).map(|i| (number(i) as f32 / 1024.0 - 1.0) / 32.0);
    TensorData::new(values.collect(), shape)
}
