//! Several devices that share a batch give the same embeddings as one, in the same order.

use std::collections::BTreeMap;

use glm4v::devices::{DeviceSpecs, devices};
use glm4v::plan::BatchLimits;
use glm4v::{Error, GridThw, Patches, Preset, VisionEncoder};
use glm4v_tests::{Difference, load_options, tiny_encoder};
use ndarray::Array2;

/// Images and videos in turn: equal segments apart, not square, with different costs.
const GRIDS: [GridThw; 6] = [
    GridThw::new(1, 6, 10),
    GridThw::new(5, 4, 6),
    GridThw::new(1, 14, 22),
    GridThw::new(1, 6, 10),
    GridThw::new(3, 10, 6),
    GridThw::new(1, 2, 4),
];

fn patches(encoder: &VisionEncoder, grids: &[GridThw]) -> Patches {
    let rows = grids.iter().map(|grid| grid.num_patches()).sum();
    let wave = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32).sin();
    let rows = Array2::from_shape_fn((rows, encoder.config().patch_dim()), wave);
    Patches::from_pixel_values(rows, grids.to_vec()).unwrap()
}

fn combined(devices: &[&str]) -> Option<VisionEncoder> {
    let encoders = devices.iter().map(|device| tiny_encoder(device));
    Some(VisionEncoder::combine(encoders.collect::<Option<_>>()?).unwrap())
}

fn agree(devices: &[&str], grids: &[GridThw]) {
    let Some(several) = combined(devices) else {
        return;
    };
    let one = tiny_encoder("flex").unwrap();
    let patches = patches(&one, grids);
    let alone = one.encode(&patches).unwrap().into_values().unwrap();
    let shared = several.encode_values(&patches).unwrap();
    let difference = Difference::new(&shared, &alone).relative_l2;
    assert!(difference < 5e-6, "{devices:?}, {grids:?}: {difference}");
}

#[test]
fn several_towers_on_flex() {
    for count in [1, 2, 3, 7] {
        agree(&vec!["flex"; count], &GRIDS);
    }
}

#[test]
fn fewer_frames_than_devices() {
    agree(&["flex"; 3], &GRIDS[..1]);
    agree(&["flex"; 8], &GRIDS[1..2]);
}

#[test]
fn flex_beside_ndarray() {
    agree(&["flex", "ndarray"], &GRIDS);
    agree(&["ndarray", "flex", "flex"], &GRIDS[2..]);
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn two_towers_on_one_gpu() {
    agree(&["wgpu", "wgpu"], &GRIDS);
    agree(&["wgpu", "flex"], &GRIDS[1..]);
}

#[test]
fn the_embeddings_are_on_the_first_device() {
    let several = combined(&["flex", "ndarray"]).unwrap();
    let patches = patches(&several, &GRIDS);
    // A batch has work for both.
    let alone = tiny_encoder("flex").unwrap().limits().max_batch_patches;
    assert_eq!(several.limits().max_batch_patches, 2 * alone);
    let first = several.encode(&patches).unwrap();
    assert_eq!(first.tensor.device(), several.model().device());
    let tokens: Vec<usize> = first.items().map(|item| item.num_tokens()).collect();
    assert_eq!(tokens, GRIDS.map(|grid| grid.num_tokens(2)));
    let values = several.encode_values(&patches).unwrap();
    assert_eq!(first.into_values().unwrap(), values);
}

#[test]
fn an_error_names_the_device() {
    let bounded = |bytes| tiny_encoder("flex").unwrap().with_max_memory(bytes);
    let several = VisionEncoder::combine(vec![bounded(u64::MAX), bounded(1)]).unwrap();
    let patches = patches(&several, &GRIDS);
    let error = several.encode(&patches).unwrap_err();
    assert!(
        matches!(
            error,
            Error::OnDevice {
                index: 1,
                count: 2,
                ..
            }
        ),
        "{error}"
    );
    let message = error.to_string();
    assert!(
        message.starts_with("on device 1 of 2 (") && message.contains("of memory"),
        "{message}"
    );
    // A single frame leaves nothing to do for the other device.
    let image = glm4v::image::DynamicImage::new_rgb8(60, 40);
    assert!(several.encode_images(&[image]).is_ok());
}

#[test]
fn towers_must_have_one_configuration() {
    let none = VisionEncoder::combine(Vec::new()).unwrap_err().to_string();
    assert!(none.ends_with("found none"), "{none}");
    let options = load_options("flex").unwrap();
    let other = VisionEncoder::random(Preset::Small, 1, &options).unwrap();
    let error = VisionEncoder::combine(vec![tiny_encoder("flex").unwrap(), other]).unwrap_err();
    assert!(error.to_string().ends_with("in encoder 1"), "{error}");
}

/// Each device splits its share by its own limits.
#[test]
fn shares_are_split_like_batches() {
    let (small, usual) = (tiny_encoder("flex").unwrap(), tiny_encoder("flex").unwrap());
    let limits = BatchLimits {
        max_patches: 50,
        max_score_bytes: 1,
        ..small.limits()
    };
    let patches = patches(&usual, &GRIDS);
    let alone = usual.encode_values(&patches).unwrap();
    let several = VisionEncoder::combine(vec![small.with_limits(limits), usual]).unwrap();
    let shared = several.encode_values(&patches).unwrap();
    assert!(Difference::new(&shared, &alone).relative_l2 < 2e-6);
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn all_are_the_gpus_of_a_backend() {
    let found = |text: &str| text.parse::<DeviceSpecs>().unwrap().find();
    let (Ok(all), Ok(first)) = (found("wgpu:all"), found("wgpu")) else {
        eprintln!("SKIPPED wgpu: there is none");
        return;
    };
    assert_eq!(all[0], first[0]);
    let mut kinds = BTreeMap::new();
    for device in devices() {
        if device.spec.backend == all[0].spec.backend {
            *kinds.entry(format!("{:?}", device.kind)).or_insert(0) += 1;
        }
    }
    assert_eq!(all.len(), kinds[&format!("{:?}", all[0].kind)]);
    assert_eq!(found("wgpu:0,wgpu:0").unwrap().len(), 2);
}

/// On a machine without such a device, the error is that of the backend.
#[test]
fn missing_devices_are_named() {
    let error = "cuda:all".parse::<DeviceSpecs>().unwrap().find();
    match error {
        Ok(devices) => assert!(!devices.is_empty()),
        Err(error) => assert!(error.to_string().contains("cuda"), "{error}"),
    }
}
