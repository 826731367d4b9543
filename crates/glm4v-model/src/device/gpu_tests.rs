//! Each kernel of `fused` on a GPU beside burn's operations on the CPU.

use std::panic;

use burn::module::Param;
use burn::tensor::{Device, Distribution, FloatDType, Tensor};
use glm4v_config::{GridThw, HiddenAct, VisionConfig};

use super::{Linear, Mlp, RmsNorm, Rotary};
use crate::layout::BatchLayout;
use crate::rotary::RotaryTables;
use crate::{fused, tiles};

/// A GPU, or `None` where there is none.
fn gpu() -> Option<Device> {
    let device = panic::catch_unwind(|| {
        let device = Device::wgpu(Default::default());
        Tensor::<1>::ones([1], &device).into_data();
        device
    });
    if device.is_err() {
        eprintln!("SKIPPED: no GPU is found");
    }
    device.ok()
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.5, 2.0), &Device::flex())
}

fn assert_near<const D: usize>(found: Option<Tensor<D>>, expected: Tensor<D>) {
    let found = found.expect("the kernel runs");
    assert_eq!(found.dims(), expected.dims());
    let [found, expected] = [found, expected].map(|x| x.into_data());
    for (index, (found, expected)) in found.iter::<f32>().zip(expected.iter::<f32>()).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error <= 1e-5 * expected.abs().max(1.0),
            "{index}: {found}, {expected}"
        );
    }
}

#[test]
fn norms_of_rows_and_of_heads() {
    let Some(gpu) = gpu() else { return };
    for (rows, width) in [(1, 7), (5, 64), (37, 100), (3, 1536)] {
        let (x, weight) = (random([rows, width]), random([width]));
        let found = fused::rms_norm(
            &x.clone().to_device(&gpu),
            &weight.clone().to_device(&gpu),
            1e-5,
        );
        let norm = RmsNorm {
            weight: Param::from_tensor(weight),
            eps: 1e-5,
        };
        assert_near(found, norm.forward(x));
    }
    // A part of each row, as queries are.
    let (x, weight) = (random([9, 12, 24]), random([24]));
    let part = x.clone().to_device(&gpu).narrow(1, 4, 4);
    let found = fused::rms_norm(&part, &weight.clone().to_device(&gpu), 1e-6);
    let norm = RmsNorm {
        weight: Param::from_tensor(weight),
        eps: 1e-6,
    };
    assert_near(found, norm.forward(x.narrow(1, 4, 4)));
}

#[test]
fn softmax_of_scores() {
    let Some(gpu) = gpu() else { return };
    for (queries, keys) in [(3, 1), (10, 37), (70_000, 5), (2, 3000)] {
        let scores = random([2, 1, queries, keys]);
        let found = fused::softmax(&scores.clone().to_device(&gpu), 0.7);
        assert_near(found, tiles::softmax(scores, 0.7));
    }
}

#[test]
fn gates_of_each_activation_and_limit() {
    let Some(gpu) = gpu() else { return };
    let acts = [
        HiddenAct::Silu,
        HiddenAct::Gelu,
        HiddenAct::GeluPytorchTanh,
        HiddenAct::QuickGelu,
        HiddenAct::Relu,
    ];
    for hidden_act in acts {
        for (limit, width) in [(None, 64), (Some(1.5), 37)] {
            let (gate, up) = (random([11, width]), random([11, width]));
            let [on_gpu, up_on_gpu] = [&gate, &up].map(|x| x.clone().to_device(&gpu));
            let found = fused::gate(hidden_act, limit, &on_gpu, &up_on_gpu);
            let linear = || Linear::new(vec![random([1, 1])], None);
            let mlp = Mlp {
                gate_proj: linear(),
                up_proj: linear(),
                down_proj: linear(),
                hidden_act,
                limit,
            };
            assert_near(found, mlp.gated(gate, up));
        }
    }
}

#[test]
fn heads_are_rotated() {
    let Some(gpu) = gpu() else { return };
    for head_dim in [12, 64] {
        let config = VisionConfig {
            hidden_size: 3 * head_dim,
            num_heads: 3,
            ..VisionConfig::default()
        };
        let layout = BatchLayout::new(&[GridThw::new(2, 2, 6)], 2);
        let tables = RotaryTables::new(&layout, &config);
        let qkv = random([24, 9, head_dim]);
        let expected = Rotary::new(&tables, &Device::flex()).heads(qkv.clone(), 0.125);
        let Rotary { cos, sin } = Rotary::new(&tables, &gpu);
        let found = fused::heads(&qkv.to_device(&gpu), &cos, &sin, 0.125);
        assert_near(found, expected);
    }
}

#[test]
fn of_16_bits_the_results_are_near() {
    let Some(gpu) = gpu() else { return };
    if !gpu.supports_dtype(FloatDType::F16) {
        return eprintln!("SKIPPED: the GPU does not compute in f16");
    }
    let (x, up) = (random([9, 64]), random([9, 64]));
    let weight = random([64]);
    let half = |x: &Tensor<2>| x.clone().to_device(&gpu).cast(FloatDType::F16);
    let near = |found: Option<Tensor<2>>, expected: Tensor<2>| {
        let difference = found.expect("the kernel runs").cast(FloatDType::F32);
        let difference = difference.to_device(&Device::flex()) - expected.clone();
        let error = difference.square().sum().sqrt() / expected.square().sum().sqrt();
        let error: f32 = error.into_scalar();
        assert!(error > 0.0 && error < 1e-3, "{error}");
    };
    let norm = RmsNorm {
        weight: Param::from_tensor(weight.clone()),
        eps: 1e-5,
    };
    let weight = weight.to_device(&gpu).cast(FloatDType::F16);
    near(
        fused::rms_norm(&half(&x), &weight, 1e-5),
        norm.forward(x.clone()),
    );
    let scores = half(&x).reshape([1, 3, 3, 64]);
    let found = fused::softmax(&scores, 0.7).map(|x| x.reshape([9, 64]));
    let expected = tiles::softmax(x.clone().reshape([1, 3, 3, 64]), 0.7);
    near(found, expected.reshape([9, 64]));
    let act = HiddenAct::Silu;
    let expected = crate::activation::activate(act, x.clone()) * up.clone();
    near(fused::gate(act, None, &half(&x), &half(&up)), expected);
}

#[test]
fn a_cpu_has_no_such_kernels() {
    let x = random([3, 8]);
    assert!(fused::gate(HiddenAct::Silu, None, &x, &x).is_none());
    assert!(fused::rms_norm(&x, &random([8]), 1e-5).is_none());
    assert!(fused::softmax(&random([1, 1, 3, 8]), 1.0).is_none());
}
