//! The facade: batches, devices, and errors.

use glm4v::config::SizeBudget;
use glm4v::devices::{Backend, DeviceKind, devices};
use glm4v::image::DynamicImage;
use glm4v::image::imageops::FilterType;
use glm4v::model::{ComputeMode, Precision};
use glm4v::plan::BatchLimits;
use glm4v::{
    ComputeType, DeviceSpec, FloatDType, GridThw, LoadOptions, Patches, Preset, Processor,
    VisionEncoder, open_image,
};
use glm4v_tests::{Difference, image_path, load_options, open_device, tiny_encoder};
use ndarray::Array2;

fn tiny() -> VisionEncoder {
    tiny_encoder("flex").unwrap()
}

fn image(name: &str) -> DynamicImage {
    open_image(image_path(name), &Default::default()).unwrap()
}

/// The embeddings of an image do not depend on the other images of the batch.
#[test]
fn a_batch_equals_its_images() {
    let encoder = tiny();
    let names = [
        "rgb-90x62.png",
        "rgb-20x47.png",
        "rgb-56x84.png",
        "rgb-90x62.png",
        "rgb-60x83.png",
    ];
    let images = names.map(image);
    let batch = encoder.encode_images(&images).unwrap();
    assert_eq!(batch.num_tokens(), batch.tensor.dims()[0]);
    let items: Vec<_> = batch.items().collect();
    assert_eq!(items.len(), names.len());
    for (image, item) in images.iter().zip(items) {
        let alone = encoder.encode_images(std::slice::from_ref(image)).unwrap();
        assert_eq!(item.grids, alone.grids);
        let found = item.into_values().unwrap();
        let expected = alone.into_values().unwrap();
        assert!(Difference::new(&found, &expected).relative_l2 < 2e-6);
    }
}

/// A video equals its frames: attention never crosses frames, and all frames have the same positions.
#[test]
fn a_video_equals_its_temporal_patches() {
    let encoder = tiny();
    let images = ["rgb-90x62.png", "rgb-56x84.png"]
        .map(image)
        .map(|image| image.resize_exact(168, 112, FilterType::Triangle));
    let images = encoder.processor().preprocess_images(&images).unwrap();
    let grid = images.grids()[0];
    assert_eq!(images.grids(), [grid, grid]);
    let video = vec![GridThw { t: 2, ..grid }];
    let video = Patches::from_pixel_values(images.pixel_values().into_owned(), video).unwrap();
    let images = encoder.encode(&images).unwrap().into_values().unwrap();
    let video = encoder.encode(&video).unwrap().into_values().unwrap();
    assert!(Difference::new(&video, &images).relative_l2 < 2e-6);
}

#[test]
fn patches_of_another_tower_are_refused() {
    let encoder = tiny();
    let patches = |rows, width, grids: Vec<GridThw>| {
        Patches::from_pixel_values(Array2::zeros((rows, width)), grids).unwrap()
    };
    let width = encoder.config().patch_dim();
    for (patches, what) in [
        (
            patches(4, 10, vec![GridThw::new(1, 2, 2)]),
            "rows of videos of 1176 values, found 10",
        ),
        (
            Patches::from_images(Array2::zeros((4, 294)), vec![GridThw::new(1, 2, 2)], 4).unwrap(),
            "rows of images of 588 values, found 294",
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

/// Micro-batches split a video, join its end with an image, and never split a frame that is larger than they are.
#[test]
fn micro_batches_make_no_difference() {
    let encoder = tiny();
    let rows = |patches: usize| {
        let wave = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32).sin();
        Array2::from_shape_fn((patches, encoder.config().patch_dim()), wave)
    };
    let grids = [(5, 2, 4), (1, 4, 4), (1, 6, 8), (2, 2, 2)].map(|(t, h, w)| GridThw::new(t, h, w));
    let rows = rows(40 + 16 + 48 + 8);
    let patches = Patches::from_pixel_values(rows, grids.to_vec()).unwrap();
    let whole = encoder.encode(&patches).unwrap().into_values().unwrap();
    let limits = BatchLimits {
        max_patches: 20,
        ..encoder.limits()
    };
    let split = tiny().with_limits(limits).encode(&patches).unwrap();
    assert_eq!(split.grids, grids);
    let split = split.into_values().unwrap();
    assert!(Difference::new(&split, &whole).relative_l2 < 2e-6);
}

/// The CPU kernels compute a block for 1,024 rows at a time, here across segments and within one. ndarray does not.
#[cfg(all(feature = "flex", feature = "ndarray"))]
#[test]
fn more_rows_than_a_block_takes_at_once_make_no_difference() {
    let grids =
        [(2, 10, 26), (1, 34, 42), (1, 2, 4), (3, 22, 18)].map(|(t, h, w)| GridThw::new(t, h, w));
    let rows = grids.iter().map(|grid| grid.num_patches()).sum();
    let wave = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32).sin();
    let values = |backend: &str| {
        let encoder = tiny_encoder(backend).unwrap();
        let pixel_values = Array2::from_shape_fn((rows, encoder.config().patch_dim()), wave);
        let patches = Patches::from_pixel_values(pixel_values, grids.to_vec()).unwrap();
        let limits = BatchLimits {
            max_patches: usize::MAX,
            ..encoder.limits()
        };
        let encoder = encoder.with_limits(limits);
        encoder.encode(&patches).unwrap().into_values().unwrap()
    };
    let difference = Difference::new(&values("flex"), &values("ndarray")).relative_l2;
    assert!(difference < 5e-6, "{difference}");
}

#[test]
fn a_budget_limits_the_images_of_an_encoder() {
    let options = LoadOptions {
        budget: Some(SizeBudget::Tokens {
            min: None,
            max: Some(25),
        }),
        ..LoadOptions::default()
    };
    let encoder = VisionEncoder::random(Preset::Tiny, 0, &options).unwrap();
    let grid = encoder.processor().grid(280, 280).unwrap();
    assert_eq!(grid.num_tokens(2), 25);
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
            .contains("has patch_size 14, but the image processor (processor_config.json or preprocessor_config.json) has 16"),
        "{disagreement}"
    );
    video.frames.patch_size = 16;
    let model = tiny().model().clone();
    let processor = Processor::new(image, video).unwrap();
    let error = VisionEncoder::new(model, processor).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("patch_size 16, but the tower (config.json) has 14"),
        "{error}"
    );
}

#[test]
fn auto_never_selects_a_software_gpu_before_the_cpu() {
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

/// The error of opening a device that cannot be opened.
fn device_error(spec: &str) -> String {
    let spec: DeviceSpec = spec.parse().unwrap();
    spec.open().unwrap_err().to_string()
}

#[test]
fn the_error_of_a_backend_has_the_reason() {
    let error = device_error("cuda");
    assert!(error.contains("rebuild with --features cuda"), "{error}");
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn the_error_of_a_device_has_the_reason() {
    let error = device_error("wgpu:99");
    assert!(error.contains("no device wgpu:99"), "{error}");
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn the_error_of_a_missing_gpu_has_its_index() {
    let spec: DeviceSpec = "wgpu:99".parse().unwrap();
    let error = spec.open().unwrap_err().to_string();
    assert!(error.contains("no device wgpu:99"), "{error}");
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn the_same_gpu_can_be_opened_twice() {
    let spec = DeviceSpec::from(Backend::Wgpu);
    match spec.open() {
        Ok(first) => assert_eq!(format!("{first:?}"), format!("{:?}", spec.open().unwrap())),
        Err(error) => eprintln!("SKIPPED wgpu: {error}"),
    }
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn a_type_that_the_gpu_lacks_is_refused() {
    let (Some(device), Some(options)) = (open_device("wgpu"), load_options("wgpu")) else {
        return;
    };
    if device.supports_dtype(FloatDType::BF16) {
        eprintln!("SKIPPED: this GPU computes in bf16");
        return;
    }
    let options = LoadOptions {
        dtype: FloatDType::BF16.into(),
        ..options
    };
    let error = VisionEncoder::random(Preset::Tiny, 0, &options).unwrap_err();
    assert!(
        error.to_string().contains("does not compute in bf16"),
        "{error}"
    );
}

#[test]
fn eight_bits_are_refused_where_no_kernel_has_them() {
    let (Some(flex), Some(ndarray)) = (load_options("flex"), load_options("ndarray")) else {
        return;
    };
    let load = |options: LoadOptions| {
        let dtype = ComputeType::Int8;
        VisionEncoder::random(Preset::Tiny, 0, &LoadOptions { dtype, ..options })
    };
    let error = load(ndarray).unwrap_err().to_string();
    let expected = "does not compute in int8: use the device flex, or a floating-point type";
    assert!(error.ends_with(expected), "{error}");
    let mode = load(flex).unwrap().model().mode();
    assert_eq!(mode, ComputeMode::Cpu(Precision::Int8));
}
