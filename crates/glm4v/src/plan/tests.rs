use burn::tensor::FloatDType;
use glm4v_config::{PatchKind, Preset};
use glm4v_model::AttentionMethod;

use super::*;
use crate::devices::Backend;

/// Two images, and a video between them.
fn inputs() -> [InputSize; 3] {
    let video = InputSize {
        kind: PatchKind::Video,
        ..InputSize::image(GridThw::new(6, 10, 12))
    };
    let images = [[1, 24, 26], [1, 50, 38]].map(|grid| InputSize::image(grid.into()));
    [images[0], video, images[1]]
}

fn plan_of(inputs: &[InputSize], target: Target, memory: Option<u64>) -> Result<Plan, Error> {
    let (options, limits) = (EncodeOptions::default(), BatchLimits::new(&target));
    let budget = MemoryBudget {
        allowed: memory,
        machine: None,
    };
    let config = Preset::Medium.vision();
    Plan::within(&config, inputs, target, &options, limits, budget)
}

fn plan(target: Target, memory: Option<u64>) -> Result<Plan, Error> {
    plan_of(&inputs(), target, memory)
}

#[test]
fn inputs_are_counted() {
    let plan = plan(Target::new(Backend::Flex, FloatDType::F32), None).unwrap();
    assert_eq!((plan.patches, plan.tokens), (3244, 3244 / 4));
    assert_eq!(plan.patch_rows, ((624 + 1900) * 588 + 720 * 1176) * 4);
    assert_eq!(plan.embeddings, 811 * 2048 * 4);
    // The video shares a micro-batch with the first image up to 1,024 patches. The other image is alone.
    assert_eq!(
        (plan.limits.max_patches, plan.patches_at_once),
        (1024, 1900)
    );
}

#[test]
fn limits_shrink_to_the_memory_and_less_is_refused() {
    let target = Target::new(Backend::Ndarray, FloatDType::F32);
    let whole = plan(target, None).unwrap();
    assert_eq!(whole.limits, BatchLimits::new(&target));
    let less = plan(target, Some(whole.host - 1)).unwrap();
    assert!(less.limits.max_batch_patches < whole.limits.max_batch_patches);
    assert!(less.host < whole.host);
    let Err(Error::Memory {
        needed,
        available: 1,
        ..
    }) = plan(target, Some(1))
    else {
        panic!("a byte is enough");
    };
    let least = plan(target, Some(needed)).unwrap();
    assert_eq!(least.host, needed);
    assert!(plan(target, Some(needed - 1)).is_err());
}

#[test]
fn smaller_limits_need_no_more() {
    let options = EncodeOptions::default();
    for backend in [Backend::Flex, Backend::Ndarray, Backend::Cuda] {
        let target = Target::new(backend, FloatDType::F32);
        let config = Preset::Medium.vision();
        let mut limits = BatchLimits::new(&target);
        let mut last = Plan::new(&config, &inputs(), target, &options, limits);
        while let Some(smaller) = limits.smaller(1900) {
            limits = smaller;
            let plan = Plan::new(&config, &inputs(), target, &options, limits);
            assert!(
                plan.host <= last.host && plan.device <= last.device,
                "{limits:?}"
            );
            assert!(plan.largest_tensor <= last.largest_tensor, "{limits:?}");
            last = plan;
        }
    }
}

#[test]
fn a_gpu_has_memory_of_its_own_and_limits_its_buffers() {
    let mut target = Target::new(Backend::Wgpu, FloatDType::F16);
    let whole = plan(target, None).unwrap();
    let device = whole.device.unwrap();
    assert_eq!(device, whole.weights + whole.activations);
    assert!(whole.host < device);
    target.max_buffer = Some(whole.largest_tensor - 1);
    let split = plan(target, None).unwrap();
    assert!(split.largest_tensor < whole.largest_tensor);
    // Weights can be split by rows. The position table cannot, and neither can the rows of a frame.
    let table = 2 * 24 * 24 * Preset::Medium.vision().hidden_size as u64;
    let frame = [InputSize::image(GridThw::new(1, 2, 2))];
    target.max_buffer = Some(table);
    plan_of(&frame, target, None).unwrap();
    target.max_buffer = Some(table - 1);
    let refused = plan_of(&frame, target, None).unwrap_err();
    assert!(matches!(refused, Error::Buffer { needed, .. } if needed == table));
    target.max_buffer = Some(1 << 20);
    let refused = plan(target, None).unwrap_err().to_string();
    assert!(refused.contains("1.00 MiB"), "{refused}");
}

#[test]
fn the_next_batch_is_counted_where_it_is_prefetched() {
    let large = InputSize {
        open_bytes: 10,
        decode_bytes: 1000,
        ..InputSize::image(GridThw::new(1, 128, 130))
    };
    let row_bytes = 128 * 130 * 588 * 4;
    for (backend, batches) in [(Backend::Flex, 1), (Backend::Cuda, 2)] {
        let target = Target::new(backend, FloatDType::F32);
        let plan = plan_of(&[large; 3], target, None).unwrap();
        assert_eq!(plan.patch_rows, batches * row_bytes);
        assert_eq!(plan.reading, 30 + 1000);
    }
}

#[test]
fn inputs_that_stay_open_are_counted_until_they_are_read() {
    let image = InputSize {
        open_bytes: 1 << 20,
        decode_bytes: 7,
        ..InputSize::image(GridThw::new(1, 10, 10))
    };
    let kept = InputSize {
        stays_open: true,
        ..image
    };
    let target = Target::new(Backend::Flex, FloatDType::F32);
    let one_by_one = BatchLimits {
        max_batch_patches: 1,
        ..BatchLimits::new(&target)
    };
    let reading = |inputs: &[InputSize]| {
        let (config, options) = (Preset::Tiny.vision(), EncodeOptions::default());
        Plan::new(&config, inputs, target, &options, one_by_one).reading
    };
    assert_eq!(reading(&[image; 3]), (1 << 20) + 7);
    assert_eq!(reading(&[kept; 3]), (3 << 20) + 7);
    assert_eq!(reading(&[image, image, kept]), (2 << 20) + 7);
    assert_eq!(reading(&[kept, image, image]), (1 << 20) + 7);
}

#[test]
fn the_longest_video_is_planned_at_once() {
    let video = |t| InputSize {
        kind: PatchKind::Video,
        ..InputSize::image(GridThw::new(t, 2, 2))
    };
    let target = Target::new(Backend::Flex, FloatDType::F32);
    let (config, options) = (Preset::Tiny.vision(), EncodeOptions::default());
    let limits = BatchLimits::new(&target);
    let plan = |t| Plan::new(&config, &[video(t)], target, &options, limits);
    let long = plan(1 << 23);
    assert_eq!(long.patches_at_once, 1024);
    assert_eq!(long.activations, 2 * long.embeddings);
    assert_eq!(plan(512).largest_tensor, long.largest_tensor);
}

#[test]
fn each_of_several_devices_has_its_share() {
    let target = Target::new(Backend::Cuda, FloatDType::BF16);
    let alone = plan(target, None).unwrap();
    let two = Target {
        devices: 2,
        ..target
    };
    let shared = plan(two, None).unwrap();
    assert_eq!(alone.patches_at_once, 3244);
    // The large image costs more than the others together.
    assert_eq!(shared.patches_at_once, 1900);
    assert_eq!(shared.weights, alone.weights);
    assert!(shared.activations < alone.activations);
    let share = plan_of(&inputs()[2..], target, None).unwrap();
    assert_eq!(shared.activations, share.activations);
}

#[test]
fn extra_outputs_are_kept() {
    let target = Target::new(Backend::Cuda, FloatDType::F32);
    let (config, limits) = (Preset::Medium.vision(), BatchLimits::new(&target));
    let plan = |options: &EncodeOptions| Plan::new(&config, &inputs(), target, options, limits);
    let extra = plan(&EncodeOptions {
        last_hidden_state: true,
        hidden_states: vec![0, 3],
        ..EncodeOptions::default()
    });
    let usual = plan(&EncodeOptions::default());
    let bytes = 4 * (2 * 3244 * config.hidden_size + 811 * config.out_hidden_size) as u64;
    assert_eq!(extra.embeddings - usual.embeddings, bytes);
    assert_eq!(extra.activations - usual.activations, bytes);
}

#[test]
fn flex_stores_no_scores() {
    let flex = Target::new(Backend::Flex, FloatDType::F16);
    let eager = flex.with_attention(AttentionMethod::Eager);
    let activations = |target| plan(target, None).unwrap().activations;
    assert!(activations(eager) > 2 * activations(flex));
    // The CPU kernels have an attention of their own.
    let kernels = Target::new(Backend::Flex, FloatDType::F32);
    assert_eq!(kernels.with_attention(AttentionMethod::Eager), kernels);
}
