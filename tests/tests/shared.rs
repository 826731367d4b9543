//! Many threads share one encoder, and each gets the bits that one thread gets.

use std::thread;

use glm4v::{ComputeType, FloatDType, GridThw, LoadOptions, Patches, Preset, VisionEncoder};
use glm4v_tests::load_options;
use ndarray::Array2;

const THREADS: usize = 64;
/// Batches for each thread, one after another.
const ROUNDS: usize = 3;

/// Other sizes, other numbers of items and other values for each number.
fn patches(encoder: &VisionEncoder, number: usize) -> Patches {
    let grids: Vec<_> = (0..1 + number % 4)
        .map(|item| GridThw::new(1 + item % 2, 2 * (1 + number % 5), 2 * (3 + item)))
        .collect();
    let rows = grids.iter().map(|grid| grid.num_patches()).sum();
    let wave = |(row, column): (usize, usize)| ((row * 31 + column * 7 + number * 13) as f32).sin();
    let rows = Array2::from_shape_fn((rows, encoder.config().patch_dim()), wave);
    Patches::from_pixel_values(rows, grids).unwrap()
}

fn agree(backend: &str, dtype: ComputeType, threads: usize) {
    let Some(options) = load_options(backend) else {
        return;
    };
    let encoder =
        VisionEncoder::random(Preset::Tiny, 1, &LoadOptions { dtype, ..options }).unwrap();
    let bits = |number| -> Vec<u32> {
        let values = encoder.encode_values(&patches(&encoder, number)).unwrap();
        values.iter().map(|value| value.to_bits()).collect()
    };
    let alone: Vec<_> = (0..threads).map(bits).collect();
    thread::scope(|scope| {
        for first in 0..threads {
            let (bits, alone) = (&bits, &alone);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let number = (first + 7 * round) % threads;
                    assert!(bits(number) == alone[number], "{backend}: batch {number}");
                }
            });
        }
    });
}

#[test]
fn in_f32() {
    agree("flex", FloatDType::F32.into(), THREADS);
}

#[test]
fn in_bf16() {
    agree("flex", FloatDType::BF16.into(), THREADS);
}

#[test]
fn in_int8() {
    agree("flex", ComputeType::Int8, THREADS);
}

#[test]
fn on_ndarray() {
    agree("ndarray", FloatDType::F32.into(), 8);
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn on_a_gpu() {
    agree("wgpu", FloatDType::F32.into(), 16);
}
