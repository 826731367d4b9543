//! A row of an image has its frame once, a row of the reference repeats it. Both give the same embeddings, on each backend.

use glm4v::config::ImageProcessorConfig;
use glm4v::model::{ComputeMode, Precision};
use glm4v::plan::{BatchLimits, InputSize};
use glm4v::weights::random;
use glm4v::{
    AttentionQuery, EncodeOptions, FloatDType, GridThw, Patches, Processor, VisionConfig,
    VisionEncoder, values,
};
use glm4v_tests::{Difference, open_device};
use ndarray::Array2;

/// Values of one frame of a patch.
const FRAME: usize = 3 * 3 * 3;

fn encoder(backend: &str, mode: ComputeMode, temporal_patch_size: usize) -> Option<VisionEncoder> {
    let device = open_device(backend)?;
    let config = VisionConfig {
        depth: 2,
        hidden_size: 24,
        num_heads: 3,
        image_size: 12,
        patch_size: 3,
        temporal_patch_size,
        out_hidden_size: 20,
        intermediate_size: 28,
        ..VisionConfig::default()
    };
    let processor = ImageProcessorConfig {
        patch_size: 3,
        temporal_patch_size,
        ..ImageProcessorConfig::default()
    };
    let model = random(&config, 5, &device, mode).unwrap();
    let processor = Processor::image_only(processor).unwrap();
    Some(VisionEncoder::new(model, processor).unwrap())
}

fn wave(rows: usize, width: usize, seed: f32) -> Array2<f32> {
    let value = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32 + seed).sin();
    Array2::from_shape_fn((rows, width), value)
}

/// Images and videos in turn, with equal segments apart. The last video has one temporal patch.
fn mixed(temporal_patch_size: usize) -> Patches {
    let items = [(1, 4, 6), (3, 2, 4), (1, 2, 4), (1, 4, 6), (1, 6, 4)];
    let item = |(index, (t, h, w)): (usize, (usize, usize, usize))| {
        let (grid, seed) = (GridThw::new(t, h, w), index as f32);
        let rows = grid.num_patches();
        match [1, 4].contains(&index) {
            true => Patches::from_pixel_values(
                wave(rows, FRAME * temporal_patch_size, seed),
                vec![grid],
            ),
            false => Patches::from_images(wave(rows, FRAME, seed), vec![grid], temporal_patch_size),
        }
    };
    let items = items.into_iter().enumerate().map(item);
    Patches::concat(&items.collect::<Result<Vec<_>, _>>().unwrap()).unwrap()
}

/// The reference's rows.
fn repeated(patches: &Patches) -> Patches {
    let rows = patches.pixel_values().into_owned();
    Patches::from_pixel_values(rows, patches.grids()).unwrap()
}

fn difference(found: &[f32], expected: &[f32]) -> f64 {
    Difference::new(found, expected).relative_l2
}

fn embeddings(encoder: &VisionEncoder, patches: &Patches) -> Vec<f32> {
    encoder.encode(patches).unwrap().into_values().unwrap()
}

fn images_equal_their_repeated_rows(backend: &str, mode: ComputeMode, tolerance: f64) {
    for temporal_patch_size in [1, 2, 4] {
        let Some(encoder) = encoder(backend, mode, temporal_patch_size) else {
            return;
        };
        let patches = mixed(temporal_patch_size);
        let expected = embeddings(&encoder, &repeated(&patches));
        let what = format!("{backend}, {mode:?}, {temporal_patch_size}");
        let found = difference(&embeddings(&encoder, &patches), &expected);
        assert!(found < tolerance, "{what}: {found}");
        // Micro-batches that split the video, and that have an image with frames before or after it.
        let limits = BatchLimits {
            max_patches: 33,
            ..encoder.limits()
        };
        let found = embeddings(&encoder.with_limits(limits), &patches);
        let found = difference(&found, &expected);
        assert!(found < tolerance, "{what}, split: {found}");
    }
}

#[test]
fn on_flex() {
    images_equal_their_repeated_rows("flex", ComputeMode::Cpu(Precision::F32), 2e-6);
    images_equal_their_repeated_rows("flex", ComputeMode::Device(FloatDType::F32), 2e-6);
}

#[test]
fn on_ndarray() {
    images_equal_their_repeated_rows("ndarray", ComputeMode::Device(FloatDType::F32), 2e-6);
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn on_wgpu() {
    images_equal_their_repeated_rows("wgpu", ComputeMode::Device(FloatDType::F32), 2e-6);
}

/// In bf16 the sum of the kernel's frames is not rounded. So, on average, images are at least as near to f32 as their repeated
/// rows.
#[test]
fn in_bf16() {
    for mode in [
        ComputeMode::Cpu(Precision::Bf16),
        ComputeMode::Device(FloatDType::BF16),
    ] {
        images_equal_their_repeated_rows("flex", mode, 0.02);
        let encoder = |mode| encoder("flex", mode, 2).unwrap();
        let patches = mixed(2);
        let exact = embeddings(&encoder(ComputeMode::Device(FloatDType::F32)), &patches);
        let rounded = encoder(mode);
        let images = difference(&embeddings(&rounded, &patches), &exact);
        let repeated = difference(&embeddings(&rounded, &repeated(&patches)), &exact);
        assert!(images < 1.1 * repeated, "{mode:?}: {images}, {repeated}");
    }
}

#[test]
fn extra_outputs_are_the_same() {
    let encoder = encoder("flex", ComputeMode::Cpu(Precision::F32), 2).unwrap();
    let patches = mixed(2);
    let options = EncodeOptions {
        hidden_states: vec![0],
        attention: vec![AttentionQuery {
            block: 1,
            item: 3,
            y: 2,
            x: 5,
            ..AttentionQuery::default()
        }],
        ..EncodeOptions::default()
    };
    let found = encoder.encode_with(&patches, &options).unwrap();
    let expected = encoder.encode_with(&repeated(&patches), &options).unwrap();
    for (found, expected) in found.hidden_states[0]
        .iter()
        .zip(&expected.hidden_states[0])
    {
        let [found, expected] = [found, expected].map(|map| values(map.clone()).unwrap());
        assert!(difference(&found, &expected) < 2e-6);
    }
    let [found, expected] = [found, expected].map(|output| {
        let map = output.attention.into_iter().next().unwrap();
        values(map).unwrap()
    });
    assert!(difference(&found, &expected) < 2e-6);
}

#[test]
fn warmup_takes_images_and_videos() {
    let encoder = encoder("flex", ComputeMode::Cpu(Precision::F32), 2).unwrap();
    let patches = mixed(2);
    let spans = patches.spans().iter();
    let inputs: Vec<InputSize> = spans
        .map(|span| InputSize {
            kind: span.kind,
            ..InputSize::image(span.grid)
        })
        .collect();
    encoder.warmup(&inputs).unwrap();
}
