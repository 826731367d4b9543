//! Every stage of every golden case, on every backend.

use glm4v::{DeviceSpec, FloatDType};
use glm4v_tests::{F32_TOLERANCE, Golden, compare};

fn check(backend: &str, dtype: FloatDType) {
    let spec: DeviceSpec = backend.parse().unwrap();
    let device = match spec.open() {
        Ok(device) => device,
        Err(error) => {
            eprintln!("SKIPPED {backend}: {error}");
            return;
        }
    };
    if !device.supports_dtype(dtype) {
        eprintln!("SKIPPED {backend}: it does not compute in {dtype:?}");
        return;
    }
    let goldens = Golden::all().unwrap();
    assert_eq!(goldens.len(), 15);
    for golden in goldens {
        if let Some(reason) = golden.unreadable() {
            eprintln!("SKIPPED {}: {reason}", golden.name);
            continue;
        }
        let comparison = compare(&golden, &device, dtype, F32_TOLERANCE).unwrap();
        if let Some(row) = comparison.first_divergence() {
            panic!(
                "{}: first diverges at {row:?}\n{comparison:#?}",
                golden.name
            );
        }
    }
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
