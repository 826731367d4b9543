//! Work cut to fit in memory gives what it gives uncut, on each backend.

use glm4v::{Cut, DeviceSpec, Error, GridThw, Patches, Preset, VisionEncoder, Wanted, values};
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

fn encoder(backend: &str) -> Option<VisionEncoder> {
    match backend.parse::<DeviceSpec>().unwrap().open() {
        Ok(device) => Some(VisionEncoder::random(Preset::Tiny, 1, &device).unwrap()),
        Err(error) => {
            eprintln!("SKIPPED {backend}: {error}");
            None
        }
    }
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
