//! Every stage of every golden case, on every backend.

use glm4v::{
    Arithmetic, AttentionMethod, Checkpoint, Device, DeviceSpec, FloatDType, Processor,
    VisionConfig, VisionEncoder,
};
use glm4v_tests::{F32_TOLERANCE, Golden, compare};

fn open(backend: &str, dtype: FloatDType) -> Option<Device> {
    let spec: DeviceSpec = backend.parse().unwrap();
    let device = match spec.open() {
        Ok(device) => device,
        Err(error) => {
            eprintln!("SKIPPED {backend}: {error}");
            return None;
        }
    };
    if !device.supports_dtype(dtype) {
        eprintln!("SKIPPED {backend}: it does not compute in {dtype:?}");
        return None;
    }
    Some(device)
}

fn check(backend: &str, dtype: FloatDType) {
    let Some(device) = open(backend, dtype) else {
        return;
    };
    check_with(dtype, |golden| {
        VisionEncoder::from_dir_with(&golden.checkpoint, &device, dtype)
            .unwrap()
            .0
    });
}

fn check_with(dtype: FloatDType, encoder: impl Fn(&Golden) -> VisionEncoder) {
    let goldens = Golden::all().unwrap();
    assert_eq!(goldens.len(), 15);
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

/// A tower that computes in `dtype` all the way, as one on a GPU does, and not by the kernels that flex has for it.
fn as_on_a_gpu(golden: &Golden, dtype: FloatDType) -> VisionEncoder {
    let device = open("flex", dtype).unwrap();
    let config = VisionConfig::from_file(golden.checkpoint.join("config.json")).unwrap();
    let checkpoint = Checkpoint::open(&golden.checkpoint).unwrap();
    let (model, _) = checkpoint
        .load(&config, &device, Arithmetic::Device(dtype))
        .unwrap();
    let processor = Processor::from_dir(&golden.checkpoint).unwrap();
    let encoder = VisionEncoder::new(model, processor).unwrap();
    encoder.with_attention(AttentionMethod::Plain)
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
fn flex_f16() {
    check("flex", FloatDType::F16);
}

#[test]
fn ndarray_f32() {
    check("ndarray", FloatDType::F32);
}

#[test]
fn wgpu_f32() {
    check("wgpu", FloatDType::F32);
}

#[test]
fn wgpu_f16() {
    check("wgpu", FloatDType::F16);
}

#[test]
fn wgpu_f16_by_the_backends_own_attention() {
    let Some(device) = open("wgpu", FloatDType::F16) else {
        return;
    };
    check_with(FloatDType::F16, |golden| {
        let encoder = VisionEncoder::from_dir_with(&golden.checkpoint, &device, FloatDType::F16);
        encoder.unwrap().0.with_attention(AttentionMethod::Backend)
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
