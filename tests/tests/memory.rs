//! Smaller limits of memory do not change the embeddings, on each backend.

use std::path::Path;

use glm4v::config::ModelType;
use glm4v::model::{ComputeMode, VisionModel};
use glm4v::plan::{BatchLimits, InputSize};
use glm4v::weights::{Checkpoint, Encoding, LoaderOptions, WriteOptions, random, write_checkpoint};
use glm4v::{
    EncodeOptions, Error, FloatDType, GridThw, Patches, Preset, Processor, VisionEncoder, values,
};
use glm4v_tests::{Difference, open_device, tiny_encoder};
use ndarray::Array2;

/// Grids with equal segments apart, with odd numbers of patches, and not square.
const GRIDS: [GridThw; 4] = [
    GridThw::new(3, 6, 10),
    GridThw::new(1, 14, 22),
    GridThw::new(1, 10, 6),
    GridThw::new(1, 2, 4),
];

fn patches(encoder: &VisionEncoder) -> Patches {
    let rows = GRIDS.iter().map(|grid| grid.num_patches()).sum();
    let wave = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32).sin();
    let rows = Array2::from_shape_fn((rows, encoder.config().patch_dim()), wave);
    Patches::from_pixel_values(rows, GRIDS.to_vec()).unwrap()
}

fn inputs() -> Vec<InputSize> {
    GRIDS.map(InputSize::image).to_vec()
}

fn limits_make_no_difference(backend: &str) {
    let Some(encoder) = tiny_encoder(backend) else {
        return;
    };
    let patches = patches(&encoder);
    let whole = encoder.encode(&patches).unwrap().into_values().unwrap();
    // Scores of 64 queries, scores of a few segments, and single frames.
    let mut encoder = encoder;
    for (max_patches, max_score_bytes) in [(16_384, 1), (16_384, 4 * 4 * 60 * 60 * 2), (70, 1)] {
        let limits = BatchLimits {
            max_patches,
            max_score_bytes,
            ..encoder.limits()
        };
        encoder = encoder.with_limits(limits);
        let split = encoder.encode(&patches).unwrap().into_values().unwrap();
        let difference = Difference::new(&split, &whole).relative_l2;
        assert!(
            difference < 2e-6,
            "{backend}, {max_patches}, {max_score_bytes}: {difference}"
        );
    }
}

#[test]
fn on_flex() {
    limits_make_no_difference("flex");
}

#[test]
fn on_ndarray() {
    limits_make_no_difference("ndarray");
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn on_wgpu() {
    limits_make_no_difference("wgpu");
}

/// A checkpoint with the tower of seed 1.
fn checkpoint(dir: &Path) -> Checkpoint {
    let dir = dir.join("tiny");
    let options = WriteOptions {
        model_type: ModelType::Glm4v,
        vision: &Preset::Tiny.vision(),
        image_processor: &Preset::Tiny.image_processor(),
        video_processor: &Preset::Tiny.video_processor(),
        seed: 1,
        encoding: Encoding::F32,
    };
    write_checkpoint(&dir, &options).unwrap();
    Checkpoint::open(dir).unwrap()
}

/// Weights that are split by rows give the same tower.
fn split_weights_make_no_difference(backend: &str) {
    let Some(device) = open_device(backend) else {
        return;
    };
    let whole = tiny_encoder(backend).unwrap();
    let patches = patches(&whole);
    let whole = whole.encode(&patches).unwrap().into_values().unwrap();
    let config = Preset::Tiny.vision();
    let check = |model: VisionModel, what: &str| {
        let processor = Processor::from_preset(Preset::Tiny);
        let encoder = VisionEncoder::new(model, processor).unwrap();
        let split = encoder.encode(&patches).unwrap().into_values().unwrap();
        let difference = Difference::new(&split, &whole).relative_l2;
        assert!(difference < 2e-6, "{backend}, {what}: {difference}");
    };
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint(dir.path());
    // For rows of 256 values: splits of 64 rows, and splits of 97 rows with a shorter last one.
    for max_split_bytes in [1 << 16, 100_001] {
        let options = LoaderOptions {
            mode: ComputeMode::Device(FloatDType::F32),
            max_split_bytes,
        };
        let random = random(&config, 1, &device, options).unwrap();
        check(random, &format!("random, {max_split_bytes}"));
        let (read, _) = checkpoint.load(&config, &device, options).unwrap();
        check(read, &format!("checkpoint, {max_split_bytes}"));
    }
}

#[test]
fn split_weights_on_flex() {
    split_weights_make_no_difference("flex");
}

#[test]
fn split_weights_on_ndarray() {
    split_weights_make_no_difference("ndarray");
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn split_weights_on_wgpu() {
    split_weights_make_no_difference("wgpu");
}

#[test]
fn an_encoder_keeps_within_its_memory_or_refuses() {
    let encoder = tiny_encoder("ndarray").unwrap();
    let patches = patches(&encoder);
    let usual = encoder.plan(&inputs()).unwrap();
    let whole = encoder.encode(&patches).unwrap().into_values().unwrap();
    let encoder = encoder.with_max_memory(usual.host - 1);
    let smaller = encoder.plan(&inputs()).unwrap();
    assert!(smaller.limits != usual.limits && smaller.host < usual.host);
    let values = encoder.encode(&patches).unwrap().into_values().unwrap();
    assert!(Difference::new(&values, &whole).relative_l2 < 2e-6);
    let encoder = encoder.with_max_memory(1000);
    for refused in [
        encoder.encode(&patches).unwrap_err(),
        encoder
            .encode_with(&patches, &EncodeOptions::default())
            .unwrap_err(),
        encoder.warmup(&inputs()).unwrap_err(),
    ] {
        let Error::Memory {
            needed, available, ..
        } = refused
        else {
            panic!("{refused}");
        };
        assert!(needed > 1_000_000 && available == 1000);
    }
    let Error::Memory { needed, .. } = encoder.encode(&patches).unwrap_err() else {
        panic!("it is refused above as well");
    };
    let encoder = encoder.with_max_memory(needed);
    assert!(encoder.encode(&patches).is_ok());
    // Extra outputs take memory too.
    let extra = EncodeOptions {
        hidden_states: (0..encoder.config().depth).collect(),
        ..EncodeOptions::default()
    };
    let refused = encoder.encode_with(&patches, &extra).map(drop).unwrap_err();
    assert!(matches!(refused, Error::Memory { .. }), "{refused}");
}

fn warmup_changes_no_value(backend: &str) {
    let Some(encoder) = tiny_encoder(backend) else {
        return;
    };
    let patches = patches(&encoder);
    encoder.warmup(&inputs()[..1]).unwrap();
    let warm = values(encoder.encode(&patches).unwrap().tensor).unwrap();
    let cold = tiny_encoder(backend).unwrap();
    let cold = cold.encode(&patches).unwrap().into_values().unwrap();
    assert!(Difference::new(&warm, &cold).relative_l2 < 2e-6);
}

#[test]
fn warmup_on_flex() {
    warmup_changes_no_value("flex");
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn warmup_on_wgpu() {
    warmup_changes_no_value("wgpu");
}
