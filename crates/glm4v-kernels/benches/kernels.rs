//! The speed of the kernels on this machine, at the sizes of GLM-4.1V's tower. An image of 336×336 is 576 patches, one of 1008×1008
//! is 5184. Throughput is in floating-point operations, two for each multiplication.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use glm4v_kernels::{
    Activation, Attention, Element, LayerNorm, PackedGate, PackedWeight, Precision, RmsNorm,
    Rotary, instructions,
};
use half::bf16;

/// rows, in_features, out_features
const PRODUCTS: [[usize; 3]; 9] = [
    [576, 1176, 1536],
    [576, 1536, 4608],
    [576, 1536, 1536],
    [576, 1536, 8192],
    [576, 4096, 1536],
    [144, 6144, 4096],
    [144, 4096, 13696],
    [144, 13696, 4096],
    [5184, 1536, 4608],
];
const GATED: [[usize; 3]; 2] = [[576, 1536, 4096], [144, 4096, 13696]];
const ATTENTION_ROWS: [usize; 2] = [576, 5184];
const ROWS: usize = 576;
const HIDDEN: usize = 1536;
const HEADS: usize = 12;
const HEAD_DIM: usize = 128;

fn main() {
    println!(
        "{}, {} threads",
        instructions(Precision::Bf16),
        rayon::current_num_threads()
    );
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    products(&mut criterion);
    gated(&mut criterion);
    attention(&mut criterion);
    by_rows(&mut criterion);
    criterion.final_summary();
}

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("product");
    for shape in PRODUCTS {
        product::<f32>(&mut group, shape, Precision::F32);
        product::<bf16>(&mut group, shape, Precision::Bf16);
        product::<f32>(&mut group, shape, Precision::Int8);
        gemm_crate(&mut group, shape);
    }
    group.finish();
}

fn product<X: Element>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    [rows, in_features, out_features]: [usize; 3],
    precision: Precision,
) {
    let x: Vec<X> = numbers(rows * in_features);
    let weight: Vec<X> = numbers(out_features * in_features);
    let packed = PackedWeight::new(&weight, [out_features, in_features], precision);
    let mut out = vec![X::default(); rows * out_features];
    let name = format!("{rows}×{in_features}→{out_features}");
    group.throughput(operations(2 * rows * in_features * out_features));
    group.bench_function(BenchmarkId::new(type_name(precision), name), |bencher| {
        bencher.iter(|| packed.product(black_box(&x), &mut out));
    });
}

/// The library that burn's flex backend uses.
fn gemm_crate(
    group: &mut BenchmarkGroup<'_, WallTime>,
    [rows, in_features, out_features]: [usize; 3],
) {
    let x: Vec<f32> = numbers(rows * in_features);
    let weight: Vec<f32> = numbers(out_features * in_features);
    let mut out = vec![0.0_f32; rows * out_features];
    let name = format!("{rows}×{in_features}→{out_features}");
    group.throughput(operations(2 * rows * in_features * out_features));
    group.bench_function(BenchmarkId::new("gemm", name), |bencher| {
        #[allow(unsafe_code)]
        // SAFETY: the strides are those of the slices.
        bencher.iter(|| unsafe {
            gemm::gemm(
                rows,
                out_features,
                in_features,
                out.as_mut_ptr(),
                1,
                out_features as isize,
                false,
                black_box(x.as_ptr()),
                1,
                in_features as isize,
                weight.as_ptr(),
                in_features as isize,
                1,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::Rayon(0),
            );
        });
    });
}

fn gated(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gated");
    for shape in GATED {
        gated_product::<f32>(&mut group, shape, Precision::F32);
        gated_product::<bf16>(&mut group, shape, Precision::Bf16);
        gated_product::<f32>(&mut group, shape, Precision::Int8);
    }
    group.finish();
}

fn gated_product<X: Element>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    [rows, in_features, out_features]: [usize; 3],
    precision: Precision,
) {
    let [gate, up] = [(); 2].map(|()| numbers::<X>(out_features * in_features));
    let shape = [out_features, in_features];
    let packed = PackedGate::new(&gate, &up, shape, precision, Activation::Silu);
    let x: Vec<X> = numbers(rows * in_features);
    let mut out = vec![X::default(); rows * out_features];
    let name = format!("{rows}×{in_features}→{out_features}");
    group.throughput(operations(4 * rows * in_features * out_features));
    group.bench_function(BenchmarkId::new(type_name(precision), name), |bencher| {
        bencher.iter(|| packed.product(black_box(&x), &mut out));
    });
}

fn attention(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attention");
    for rows in ATTENTION_ROWS {
        attend::<f32>(&mut group, rows, Precision::F32);
        attend::<bf16>(&mut group, rows, Precision::Bf16);
    }
    group.finish();
}

fn attend<X: Element>(group: &mut BenchmarkGroup<'_, WallTime>, rows: usize, precision: Precision) {
    let attention = Attention {
        heads: HEADS,
        head_dim: HEAD_DIM,
        precision,
    };
    let qkv: Vec<X> = numbers(rows * 3 * HIDDEN);
    let mut out = vec![X::default(); rows * HIDDEN];
    group.throughput(operations(4 * rows * rows * HIDDEN));
    group.bench_function(BenchmarkId::new(type_name(precision), rows), |bencher| {
        bencher.iter(|| attention.packed(black_box(&qkv), &[rows], &mut out));
    });
}

/// Kernels of single rows. Throughput is in values read.
fn by_rows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows");
    norms(&mut group);
    rotary(&mut group);
    group.finish();
}

fn norms(group: &mut BenchmarkGroup<'_, WallTime>) {
    let [weight, bias] = [(); 2].map(|()| numbers::<f32>(HIDDEN));
    let (weight, bias, eps) = (weight.as_slice(), bias.as_slice(), 1e-5);
    let (x, mut out) = (numbers::<f32>(ROWS * HIDDEN), vec![0.0; ROWS * HIDDEN]);
    group.throughput(operations(x.len()));
    let norm = RmsNorm { weight, eps };
    group.bench_function("rms_norm", |bencher| {
        bencher.iter(|| norm.norm::<f32, f32>(black_box(&x), &mut out));
    });
    let norm = LayerNorm { weight, bias, eps };
    group.bench_function("layer_norm", |bencher| {
        bencher.iter(|| norm.norm::<f32, f32>(black_box(&x), &mut out));
    });
}

fn rotary(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (cos, sin) = ([0.8; ROWS * HEAD_DIM / 2], [0.6; ROWS * HEAD_DIM / 2]);
    let rotary = Rotary {
        cos: &cos,
        sin: &sin,
        head_dim: HEAD_DIM,
    };
    let mut qkv: Vec<f32> = numbers(ROWS * 3 * HIDDEN);
    group.throughput(operations(ROWS * 2 * HIDDEN));
    group.bench_function("rotary", |bencher| {
        bencher.iter(|| rotary.rotate(black_box(&mut qkv), 3 * HIDDEN, 2 * HEADS));
    });
}

fn operations(count: usize) -> Throughput {
    Throughput::Elements(count as u64)
}

fn type_name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
        Precision::Int8 => "int8",
    }
}

/// Numbers of which no two neighbours are equal. Some processors are faster on zeros.
fn numbers<X: Element>(count: usize) -> Vec<X> {
    let number = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) % 2048;
    (0..count)
        .map(|i| X::from_f32(number(i) as f32 / 1024.0 - 1.0))
        .collect()
}
