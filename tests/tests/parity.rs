//! Every stage of every golden case, on every backend.

use glm4v::model::{AttentionMethod, ComputeMode};
use glm4v::weights::Checkpoint;
use glm4v::{ComputeType, FloatDType, LoadOptions, Processor, VisionConfig, VisionEncoder};
use glm4v_tests::{F32_TOLERANCE, Golden, compare, load_options, open_device};

/// Options for a backend and a type. If it does not have them, prints the reason and gives `None`.
fn options(backend: &str, dtype: FloatDType) -> Option<LoadOptions> {
    let options = load_options(backend)?;
    if !open_device(backend)?.supports_dtype(dtype) {
        eprintln!("SKIPPED {backend}: it does not compute in {dtype:?}");
        return None;
    }
    Some(LoadOptions {
        dtype: dtype.into(),
        ..options
    })
}

fn check(backend: &str, dtype: FloatDType) {
    let Some(options) = options(backend, dtype) else {
        return;
    };
    check_with(dtype, |golden| {
        VisionEncoder::load(&golden.checkpoint, &options).unwrap()
    });
}

fn check_with(dtype: impl Into<ComputeType>, encoder: impl Fn(&Golden) -> VisionEncoder) {
    let dtype = dtype.into();
    let goldens = Golden::all().unwrap();
    assert!(goldens.len() >= 15, "goldens are missing");
    for golden in goldens {
        if let Some(reason) = golden.unreadable() {
            eprintln!("SKIPPED {}: {reason}", golden.name);
            continue;
        }
        let encoder = encoder(&golden);
        let comparison = compare(&golden, &encoder, dtype, F32_TOLERANCE).unwrap();
        if let Some(row) = comparison.first_divergence() {
            panic!(
                "{}: first diverges at {row:?}\n{comparison:#?}",
                golden.name
            );
        }
    }
}

/// A tower that computes like one on a GPU: with burn's operations in `dtype`, and not with the CPU kernels.
fn as_on_a_gpu(golden: &Golden, dtype: FloatDType) -> VisionEncoder {
    let device = open_device("flex").unwrap();
    let config = VisionConfig::from_file(golden.checkpoint.join("config.json")).unwrap();
    let checkpoint = Checkpoint::open(&golden.checkpoint).unwrap();
    let (model, _) = checkpoint
        .load(&config, &device, ComputeMode::Device(dtype))
        .unwrap();
    let processor = Processor::from_dir(&golden.checkpoint).unwrap();
    let encoder = VisionEncoder::new(model, processor).unwrap();
    encoder.with_attention(AttentionMethod::Eager)
}

#[test]
fn flex_f32() {
    check("flex", FloatDType::F32);
}

#[test]
fn flex_bf16() {
    check("flex", FloatDType::BF16);
}

#[test]
fn flex_int8() {
    let Some(options) = load_options("flex") else {
        return;
    };
    let dtype = ComputeType::Int8;
    let options = LoadOptions { dtype, ..options };
    check_with(dtype, |golden| {
        VisionEncoder::load(&golden.checkpoint, &options).unwrap()
    });
}

#[test]
fn flex_f16() {
    check("flex", FloatDType::F16);
}

#[test]
fn ndarray_f32() {
    check("ndarray", FloatDType::F32);
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn wgpu_f32() {
    check("wgpu", FloatDType::F32);
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn wgpu_f16() {
    check("wgpu", FloatDType::F16);
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn wgpu_f16_by_the_backends_own_attention() {
    let Some(options) = options("wgpu", FloatDType::F16) else {
        return;
    };
    let options = LoadOptions {
        attention: Some(AttentionMethod::Backend),
        ..options
    };
    check_with(FloatDType::F16, |golden| {
        VisionEncoder::load(&golden.checkpoint, &options).unwrap()
    });
}

#[test]
fn f32_as_on_a_gpu() {
    check_with(FloatDType::F32, |golden| {
        as_on_a_gpu(golden, FloatDType::F32)
    });
}

#[test]
fn bf16_as_on_a_gpu() {
    check_with(FloatDType::BF16, |golden| {
        as_on_a_gpu(golden, FloatDType::BF16)
    });
}
