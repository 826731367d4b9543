//! Every stage of every golden case, on every backend.

use glm4v::{DeviceSpec, FloatDType};
use glm4v_tests::{Difference, Golden, compare, tolerance};

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
    for golden in Golden::all().unwrap() {
        let comparison = compare(&golden, &device, dtype, tolerance(dtype)).unwrap();
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

/// Our bf16 is no further from the f32 reference than the reference's own bf16.
#[test]
fn bf16_is_as_good_as_the_references() {
    let device = "flex".parse::<DeviceSpec>().unwrap().open().unwrap();
    let goldens = Golden::all().unwrap();
    let golden = goldens
        .iter()
        .find(|golden| golden.name == "patch14-bf16-sharded")
        .unwrap();
    let stages = &golden.expected.stages;
    let theirs = Difference::new(&stages["merger_bf16"], &stages["merger"]).relative_l2;
    let comparison = compare(golden, &device, FloatDType::BF16, f64::INFINITY).unwrap();
    let ours = comparison.rows.last().unwrap().difference.relative_l2;
    assert!(
        ours <= 1.2 * theirs,
        "ours {ours:.2e}, the reference's {theirs:.2e}"
    );
}
