//! Rows of stills, which hold their frame once, give what the reference's rows give, on each backend.

use glm4v::{
    Arithmetic, AttentionQuery, Cut, DeviceSpec, FloatDType, GridThw, ImageProcessorConfig,
    Patches, Precision, Processor, VisionConfig, VisionEncoder, Wanted, random_model, values,
};
use glm4v_tests::Difference;
use ndarray::Array2;

/// Values of one frame of a patch.
const FRAME: usize = 3 * 3 * 3;

fn encoder(
    backend: &str,
    arithmetic: Arithmetic,
    temporal_patch_size: usize,
) -> Option<VisionEncoder> {
    let device = match backend.parse::<DeviceSpec>().unwrap().open() {
        Ok(device) => device,
        Err(error) => {
            eprintln!("SKIPPED {backend}: {error}");
            return None;
        }
    };
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
    let model = random_model(&config, 5, &device, arithmetic).unwrap();
    let processor = Processor::of_pictures(processor).unwrap();
    Some(VisionEncoder::new(model, processor).unwrap())
}

fn wave(rows: usize, width: usize, seed: f32) -> Array2<f32> {
    let value = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32 + seed).sin();
    Array2::from_shape_fn((rows, width), value)
}

/// Stills and clips in turn, equal segments apart; the last clip is of one temporal patch.
fn mixed(temporal_patch_size: usize) -> Patches {
    let items = [(1, 4, 6), (3, 2, 4), (1, 2, 4), (1, 4, 6), (1, 6, 4)];
    let item = |(index, (t, h, w)): (usize, (usize, usize, usize))| {
        let (grid, seed) = (GridThw::new(t, h, w), index as f32);
        let rows = grid.num_patches();
        match [1, 4].contains(&index) {
            true => Patches::new(wave(rows, FRAME * temporal_patch_size, seed), vec![grid]),
            false => Patches::stills(wave(rows, FRAME, seed), vec![grid], temporal_patch_size),
        }
    };
    let items = items.into_iter().enumerate().map(item);
    Patches::concat(&items.collect::<Result<Vec<_>, _>>().unwrap()).unwrap()
}

fn whole(patches: &Patches) -> Patches {
    let rows = patches.pixel_values().into_owned();
    Patches::new(rows, patches.grids().to_vec()).unwrap()
}

fn difference(found: &[f32], expected: &[f32]) -> f64 {
    Difference::new(found, expected).relative_l2
}

fn embeddings(encoder: &VisionEncoder, patches: &Patches) -> Vec<f32> {
    encoder.encode(patches).unwrap().into_values().unwrap()
}

fn stills_are_their_whole_rows(backend: &str, arithmetic: Arithmetic, tolerance: f64) {
    for temporal_patch_size in [1, 2, 4] {
        let Some(encoder) = encoder(backend, arithmetic, temporal_patch_size) else {
            return;
        };
        let patches = mixed(temporal_patch_size);
        let expected = embeddings(&encoder, &whole(&patches));
        let what = format!("{backend}, {arithmetic:?}, {temporal_patch_size}");
        let found = difference(&embeddings(&encoder, &patches), &expected);
        assert!(found < tolerance, "{what}: {found}");
        // Pieces that cut the clip, and hold a still with frames before or behind it.
        let cut = Cut {
            max_patches: 33,
            ..encoder.plan(patches.grids()).unwrap().cut
        };
        let found = embeddings(&encoder.with_cut(cut), &patches);
        let found = difference(&found, &expected);
        assert!(found < tolerance, "{what}, cut: {found}");
    }
}

#[test]
fn on_flex() {
    stills_are_their_whole_rows("flex", Arithmetic::Host(Precision::F32), 2e-6);
    stills_are_their_whole_rows("flex", Arithmetic::Device(FloatDType::F32), 2e-6);
}

#[test]
fn on_ndarray() {
    stills_are_their_whole_rows("ndarray", Arithmetic::Device(FloatDType::F32), 2e-6);
}

#[test]
fn on_wgpu() {
    stills_are_their_whole_rows("wgpu", Arithmetic::Device(FloatDType::F32), 2e-6);
}

/// In bf16 the sum of the kernel's frames is not rounded: what stills become is no farther from f32 than what their whole
/// rows become, on average.
#[test]
fn in_bf16() {
    for arithmetic in [
        Arithmetic::Host(Precision::Bf16),
        Arithmetic::Device(FloatDType::BF16),
    ] {
        stills_are_their_whole_rows("flex", arithmetic, 0.02);
        let encoder = |arithmetic| encoder("flex", arithmetic, 2).unwrap();
        let patches = mixed(2);
        let exact = embeddings(&encoder(Arithmetic::Device(FloatDType::F32)), &patches);
        let rounded = encoder(arithmetic);
        let stills = difference(&embeddings(&rounded, &patches), &exact);
        let whole = difference(&embeddings(&rounded, &whole(&patches)), &exact);
        assert!(stills < 1.1 * whole, "{arithmetic:?}: {stills}, {whole}");
    }
}

#[test]
fn details_are_the_same() {
    let encoder = encoder("flex", Arithmetic::Host(Precision::F32), 2).unwrap();
    let patches = mixed(2);
    let wanted = Wanted {
        hidden_states: vec![0],
        attention: vec![AttentionQuery {
            block: 1,
            item: 3,
            y: 2,
            x: 5,
            ..AttentionQuery::default()
        }],
    };
    let found = encoder.encode_with(&patches, &wanted).unwrap();
    let expected = encoder.encode_with(&whole(&patches), &wanted).unwrap();
    for (found, expected) in found.hidden_states[0]
        .iter()
        .zip(&expected.hidden_states[0])
    {
        let [found, expected] = [found, expected].map(|map| values(map.clone()).unwrap());
        assert!(difference(&found, &expected) < 2e-6);
    }
    let [found, expected] = [found, expected].map(|details| {
        let map = details.attention.into_iter().next().unwrap();
        values(map).unwrap()
    });
    assert!(difference(&found, &expected) < 2e-6);
}

#[test]
fn a_warm_encoder_has_seen_stills_and_clips() {
    let encoder = encoder("flex", Arithmetic::Host(Precision::F32), 2).unwrap();
    encoder.warmup(mixed(2).grids()).unwrap();
}
