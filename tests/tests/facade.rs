//! The facade: batches, devices, and what it refuses.

use glm4v::{
    Backend, Cut, Device, DeviceKind, DeviceSpec, FloatDType, GridThw, Patches, Preset, Processor,
    VisionEncoder, devices, image::imageops::FilterType,
};
use glm4v_tests::{Difference, image_path};
use ndarray::Array2;

fn flex() -> Device {
    "flex".parse::<DeviceSpec>().unwrap().open().unwrap()
}

fn tiny() -> VisionEncoder {
    VisionEncoder::random(Preset::Tiny, 1, &flex()).unwrap()
}

/// A picture's embeddings do not depend on what else is in the batch.
#[test]
fn a_batch_is_its_pictures() {
    let encoder = tiny();
    let names = [
        "rgb-90x62.png",
        "rgb-20x47.png",
        "rgb-56x84.png",
        "rgb-90x62.png",
        "rgb-60x83.png",
    ];
    let pictures = names.map(|name| glm4v::open(image_path(name), &Default::default()).unwrap());
    let batch = encoder
        .encode(&encoder.processor().images(&pictures).unwrap())
        .unwrap();
    assert_eq!(batch.num_tokens(), batch.embeddings.dims()[0]);
    let items: Vec<_> = batch.items().collect();
    assert_eq!(items.len(), names.len());
    for (picture, item) in pictures.iter().zip(items) {
        let alone = encoder
            .processor()
            .images(std::slice::from_ref(picture))
            .unwrap();
        let alone = encoder.encode(&alone).unwrap();
        assert_eq!(item.grid, alone.grids[0]);
        let found: Vec<f32> = item.embeddings.into_data().iter().collect();
        let expected: Vec<f32> = alone.embeddings.into_data().iter().collect();
        assert!(Difference::new(&found, &expected).relative_l2 < 2e-6);
    }
}

/// A clip is its frames: attention never crosses them, and all have the same positions.
#[test]
fn a_clip_is_its_temporal_patches() {
    let encoder = tiny();
    let pictures = ["rgb-90x62.png", "rgb-56x84.png"]
        .map(|name| glm4v::open(image_path(name), &Default::default()).unwrap())
        .map(|picture| picture.resize_exact(168, 112, FilterType::Triangle));
    let stills = encoder.processor().images(&pictures).unwrap();
    let grid = stills.grids()[0];
    assert_eq!(stills.grids(), [grid, grid]);
    let clip = GridThw { t: 2, ..grid };
    let clip = Patches::new(stills.pixel_values().into_owned(), vec![clip]).unwrap();
    let stills = encoder.encode(&stills).unwrap().into_values().unwrap();
    let clip = encoder.encode(&clip).unwrap().into_values().unwrap();
    assert!(Difference::new(&clip, &stills).relative_l2 < 2e-6);
}

#[test]
fn patches_of_another_tower_are_refused() {
    let encoder = tiny();
    let patches = |rows, width, grids: Vec<GridThw>| {
        Patches::new(Array2::zeros((rows, width)), grids).unwrap()
    };
    let width = encoder.config().patch_dim();
    for (patches, what) in [
        (
            patches(4, 10, vec![GridThw::new(1, 2, 2)]),
            "rows of 1176 values, found 10",
        ),
        (
            Patches::stills(Array2::zeros((4, 294)), vec![GridThw::new(1, 2, 2)], 4).unwrap(),
            "rows of stills of 588 values, found 294",
        ),
        (
            patches(6, width, vec![GridThw::new(1, 2, 3)]),
            "found 1×2×3",
        ),
        (
            patches(0, width, vec![GridThw::new(0, 2, 2)]),
            "found 0×2×2",
        ),
        (patches(0, width, vec![]), "found none"),
    ] {
        let error = encoder.encode(&patches).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

/// The pieces cut a clip, share a picture with one, and leave a frame larger than they are whole.
#[test]
fn pieces_make_no_difference() {
    let encoder = tiny();
    let rows = |patches: usize| {
        let wave = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32).sin();
        Array2::from_shape_fn((patches, encoder.config().patch_dim()), wave)
    };
    let grids = [(5, 2, 4), (1, 4, 4), (1, 6, 8), (2, 2, 2)].map(|(t, h, w)| GridThw::new(t, h, w));
    let patches = Patches::new(rows(40 + 16 + 48 + 8), grids.to_vec()).unwrap();
    let whole = encoder.encode(&patches).unwrap().into_values().unwrap();
    let cut = Cut {
        max_patches: 20,
        ..encoder.plan(&grids).unwrap().cut
    };
    let pieces = tiny().with_cut(cut).encode(&patches).unwrap();
    assert_eq!(pieces.grids, grids);
    let pieces = pieces.into_values().unwrap();
    assert!(Difference::new(&pieces, &whole).relative_l2 < 2e-6);
}

/// On flex a block goes through 1,024 rows at a time, here across segments and within one; ndarray has no such parts.
#[cfg(all(feature = "flex", feature = "ndarray"))]
#[test]
fn more_rows_than_a_block_takes_at_once_make_no_difference() {
    let grids =
        [(2, 10, 26), (1, 34, 42), (1, 2, 4), (3, 22, 18)].map(|(t, h, w)| GridThw::new(t, h, w));
    let rows = grids.iter().map(|grid| grid.num_patches()).sum();
    let wave = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32).sin();
    let values = |backend: &str| {
        let device = backend.parse::<DeviceSpec>().unwrap().open().unwrap();
        let encoder = VisionEncoder::random(Preset::Tiny, 1, &device).unwrap();
        let pixel_values = Array2::from_shape_fn((rows, encoder.config().patch_dim()), wave);
        let patches = Patches::new(pixel_values, grids.to_vec()).unwrap();
        let cut = Cut {
            max_patches: usize::MAX,
            ..encoder.plan(&grids).unwrap().cut
        };
        let encoder = encoder.with_cut(cut);
        encoder.encode(&patches).unwrap().into_values().unwrap()
    };
    let difference = Difference::new(&values("flex"), &values("ndarray")).relative_l2;
    assert!(difference < 5e-6, "{difference}");
}

#[test]
fn a_processor_of_another_tower_is_refused() {
    let (mut image, mut video) = (
        Preset::Tiny.image_processor(),
        Preset::Tiny.video_processor(),
    );
    image.patch_size = 16;
    let disagreement = Processor::new(image.clone(), video.clone()).unwrap_err();
    assert!(
        disagreement
            .to_string()
            .contains("has patch_size 14, the processor (preprocessor_config.json) 16"),
        "{disagreement}"
    );
    video.frames.patch_size = 16;
    let model = tiny().model().clone();
    let processor = Processor::new(image, video).unwrap();
    let error = VisionEncoder::new(model, processor).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("patch_size 16, the tower (config.json) 14"),
        "{error}"
    );
}

#[test]
fn auto_never_takes_a_software_gpu_before_the_cpu() {
    let devices = devices();
    assert!(
        devices
            .iter()
            .any(|device| device.spec == Backend::Flex.into())
    );
    let auto = DeviceSpec::default().find().unwrap();
    assert_eq!(auto, devices[0]);
    assert_ne!(auto.kind, DeviceKind::SoftwareGpu);
}

#[test]
fn devices_that_cannot_be_had_say_why() {
    let error = |spec: &str| {
        spec.parse::<DeviceSpec>()
            .unwrap()
            .open()
            .unwrap_err()
            .to_string()
    };
    assert!(
        error("cuda").contains("rebuild with --features cuda"),
        "{}",
        error("cuda")
    );
    assert!(
        error("wgpu:99").contains("no device wgpu:99"),
        "{}",
        error("wgpu:99")
    );
}

#[test]
fn the_same_gpu_can_be_opened_twice() {
    let spec = DeviceSpec::from(Backend::Wgpu);
    match spec.open() {
        Ok(first) => assert_eq!(format!("{first:?}"), format!("{:?}", spec.open().unwrap())),
        Err(error) => eprintln!("SKIPPED wgpu: {error}"),
    }
}

#[test]
fn a_type_that_the_device_lacks_is_refused() {
    match DeviceSpec::from(Backend::Wgpu).open() {
        Ok(device) if !device.supports_dtype(FloatDType::BF16) => {
            let error =
                VisionEncoder::random_with(Preset::Tiny, 0, &device, FloatDType::BF16).unwrap_err();
            assert!(
                error.to_string().contains("does not compute in bf16"),
                "{error}"
            );
        }
        Ok(_) => eprintln!("SKIPPED: this GPU computes in bf16"),
        Err(error) => eprintln!("SKIPPED wgpu: {error}"),
    }
}
