//! Work cut to fit in memory gives what it gives uncut, on each backend.

use glm4v::{
    Checkpoint, Cut, Device, DeviceSpec, Error, FloatDType, GridThw, ModelType, Patches, Preset,
    Processor, StoredDtype, VisionEncoder, VisionModel, Wanted, WriteOptions,
    random_model_in_parts, values, write_checkpoint,
};
use glm4v_tests::Difference;
use ndarray::Array2;

/// Equal segments apart, odd counts, and none square.
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
    Patches::new(rows, GRIDS.to_vec()).unwrap()
}

fn device(backend: &str) -> Option<Device> {
    match backend.parse::<DeviceSpec>().unwrap().open() {
        Ok(device) => Some(device),
        Err(error) => {
            eprintln!("SKIPPED {backend}: {error}");
            None
        }
    }
}

fn encoder(backend: &str) -> Option<VisionEncoder> {
    let device = device(backend)?;
    Some(VisionEncoder::random(Preset::Tiny, 1, &device).unwrap())
}

fn cuts_make_no_difference(backend: &str) {
    let Some(encoder) = encoder(backend) else {
        return;
    };
    let patches = patches(&encoder);
    let whole = encoder.encode(&patches).unwrap().into_values().unwrap();
    // Scores of 64 queries, of a few segments, and of single frames.
    let mut encoder = encoder;
    for (max_patches, max_score_bytes) in [(16_384, 1), (16_384, 4 * 4 * 60 * 60 * 2), (70, 1)] {
        encoder = encoder.with_cut(Cut {
            max_patches,
            max_score_bytes,
        });
        let cut = encoder.encode(&patches).unwrap().into_values().unwrap();
        let difference = Difference::new(&cut, &whole).relative_l2;
        assert!(
            difference < 2e-6,
            "{backend}, {max_patches}, {max_score_bytes}: {difference}"
        );
    }
}

#[test]
fn on_flex() {
    cuts_make_no_difference("flex");
}

#[test]
fn on_ndarray() {
    cuts_make_no_difference("ndarray");
}

#[test]
fn on_wgpu() {
    cuts_make_no_difference("wgpu");
}

/// The tower of seed 1 in a checkpoint.
fn checkpoint(dir: &std::path::Path) -> Checkpoint {
    let dir = dir.join("tiny");
    let options = WriteOptions {
        model_type: ModelType::Glm4v,
        vision: &Preset::Tiny.vision(),
        image_processor: &Preset::Tiny.image_processor(),
        video_processor: &Preset::Tiny.video_processor(),
        seed: 1,
        dtype: StoredDtype::F32,
    };
    write_checkpoint(&dir, &options).unwrap();
    Checkpoint::open(dir).unwrap()
}

/// With room for a few rows of a weight the tower is the same.
fn weights_in_parts_make_no_difference(backend: &str) {
    let Some(device) = device(backend) else {
        return;
    };
    let whole = encoder(backend).unwrap();
    let patches = patches(&whole);
    let whole = whole.encode(&patches).unwrap().into_values().unwrap();
    let config = Preset::Tiny.vision();
    let check = |model: VisionModel, what: &str| {
        let processor = Processor::of_preset(Preset::Tiny).unwrap();
        let encoder = VisionEncoder::new(model, processor).unwrap();
        let parts = encoder.encode(&patches).unwrap().into_values().unwrap();
        let difference = Difference::new(&parts, &whole).relative_l2;
        assert!(difference < 2e-6, "{backend}, {what}: {difference}");
    };
    let dir = tempfile::tempdir().unwrap();
    let mut checkpoint = checkpoint(dir.path());
    // Parts of 64 rows of 256 values, and of 97, of which the last has fewer.
    for bytes in [1 << 16, 100_001] {
        let random = random_model_in_parts(&config, 1, &device, FloatDType::F32, bytes).unwrap();
        check(random, &format!("random, {bytes}"));
        checkpoint = checkpoint.with_max_part_bytes(bytes);
        let (read, _) = checkpoint.load(&config, &device, FloatDType::F32).unwrap();
        check(read, &format!("checkpoint, {bytes}"));
    }
}

#[test]
fn weights_in_parts_on_flex() {
    weights_in_parts_make_no_difference("flex");
}

#[test]
fn weights_in_parts_on_ndarray() {
    weights_in_parts_make_no_difference("ndarray");
}

#[test]
fn weights_in_parts_on_wgpu() {
    weights_in_parts_make_no_difference("wgpu");
}

#[test]
fn an_encoder_keeps_to_its_memory_or_refuses() {
    let encoder = encoder("ndarray").unwrap();
    let patches = patches(&encoder);
    let usual = encoder.plan(&GRIDS).unwrap();
    let whole = encoder.encode(&patches).unwrap().into_values().unwrap();
    let encoder = encoder.with_max_memory(usual.on_device() - 1);
    let cut = encoder.plan(&GRIDS).unwrap();
    assert!(cut.cut != usual.cut && cut.on_device() < usual.on_device());
    let values = encoder.encode(&patches).unwrap().into_values().unwrap();
    assert!(Difference::new(&values, &whole).relative_l2 < 2e-6);
    let encoder = encoder.with_max_memory(1000);
    for refused in [
        encoder.encode(&patches).unwrap_err(),
        encoder
            .encode_with(&patches, &Wanted::default())
            .unwrap_err(),
        encoder.warmup(&GRIDS).unwrap_err(),
    ] {
        let Error::Memory { needed, allowed } = refused else {
            panic!("{refused}");
        };
        assert!(needed > 1_000_000 && allowed == 1000);
    }
}

#[test]
fn a_warm_encoder_gives_the_same() {
    for backend in ["flex", "wgpu"] {
        let Some(encoder) = encoder(backend) else {
            continue;
        };
        let patches = patches(&encoder);
        encoder.warmup(&GRIDS[..1]).unwrap();
        let warm = values(encoder.encode(&patches).unwrap().embeddings).unwrap();
        let cold = self::encoder(backend).unwrap();
        let cold = cold.encode(&patches).unwrap().into_values().unwrap();
        assert!(Difference::new(&warm, &cold).relative_l2 < 2e-6);
    }
}
