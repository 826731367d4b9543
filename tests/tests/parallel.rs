//! Several devices that share a batch give what one gives, in its order.

use std::collections::BTreeMap;

use glm4v::{
    Cut, DeviceSpec, DeviceSpecs, Error, GridThw, ParallelEncoder, Patches, Preset, VisionEncoder,
};
use glm4v_tests::Difference;
use ndarray::Array2;

/// Pictures and clips in turn, equal segments apart, none square, costs that are not alike.
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
    Patches::new(rows, grids.to_vec()).unwrap()
}

fn encoder(device: &str) -> Option<VisionEncoder> {
    match device.parse::<DeviceSpec>().unwrap().open() {
        Ok(device) => Some(VisionEncoder::random(Preset::Tiny, 1, &device).unwrap()),
        Err(error) => {
            eprintln!("SKIPPED {device}: {error}");
            None
        }
    }
}

fn encoders(devices: &[&str]) -> Option<ParallelEncoder> {
    let encoders = devices.iter().map(|device| encoder(device));
    Some(ParallelEncoder::new(encoders.collect::<Option<_>>()?).unwrap())
}

fn agree(devices: &[&str], grids: &[GridThw]) {
    let Some(several) = encoders(devices) else {
        return;
    };
    let one = encoder("flex").unwrap();
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
fn two_towers_on_one_gpu() {
    agree(&["wgpu", "wgpu"], &GRIDS);
    agree(&["wgpu", "flex"], &GRIDS[1..]);
}

#[test]
fn the_embeddings_are_where_they_are_wanted() {
    let several = encoders(&["flex", "flex"]).unwrap();
    let patches = patches(&several.encoders()[0], &GRIDS);
    let first = several.encode(&patches).unwrap();
    assert_eq!(
        first.embeddings.device(),
        several.encoders()[0].model().device()
    );
    let tokens: Vec<usize> = first.items().map(|item| item.num_tokens()).collect();
    assert_eq!(tokens, GRIDS.map(|grid| grid.num_tokens(2)));
    let values = first.into_values().unwrap();
    let Ok(ndarray) = "ndarray".parse::<DeviceSpec>().unwrap().open() else {
        return;
    };
    let there = several.encode_to(&patches, &ndarray).unwrap();
    assert_eq!(there.embeddings.device(), ndarray);
    assert_eq!(there.into_values().unwrap(), values);
}

#[test]
fn an_error_says_on_which_device() {
    let bounded = |bytes| encoder("flex").unwrap().with_max_memory(bytes);
    let several = ParallelEncoder::new(vec![bounded(u64::MAX), bounded(1)]).unwrap();
    let patches = patches(&several.encoders()[0], &GRIDS);
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
    let said = error.to_string();
    assert!(
        said.starts_with("on device 1 of 2 (") && said.contains("of memory"),
        "{said}"
    );
    // With a single frame the other has nothing to do.
    let one = several.encoders()[0].processor();
    let photo = glm4v::image::DynamicImage::new_rgb8(60, 40);
    assert!(several.encode(&one.images(&[photo]).unwrap()).is_ok());
}

#[test]
fn towers_must_be_alike() {
    let none = ParallelEncoder::new(Vec::new()).unwrap_err().to_string();
    assert!(none.ends_with("found none"), "{none}");
    let flex = "flex".parse::<DeviceSpec>().unwrap().open().unwrap();
    let other = VisionEncoder::random(Preset::Small, 1, &flex).unwrap();
    let error = ParallelEncoder::new(vec![encoder("flex").unwrap(), other]).unwrap_err();
    assert!(error.to_string().ends_with("in encoder 1"), "{error}");
}

/// Each device cuts its share by its own limits.
#[test]
fn shares_are_cut_like_batches() {
    let small = Cut {
        max_patches: 50,
        max_score_bytes: 1,
    };
    let cut = |device| encoder(device).unwrap().with_cut(small);
    let several = ParallelEncoder::new(vec![cut("flex"), encoder("flex").unwrap()]).unwrap();
    let patches = patches(&several.encoders()[0], &GRIDS);
    let alone = several.encoders()[1]
        .encode(&patches)
        .unwrap()
        .into_values()
        .unwrap();
    let shared = several.encode_values(&patches).unwrap();
    assert!(Difference::new(&shared, &alone).relative_l2 < 2e-6);
}

#[test]
fn all_are_the_devices_of_a_backend() {
    let found = |text: &str| text.parse::<DeviceSpecs>().unwrap().find();
    let (Ok(all), Ok(first)) = (found("wgpu:all"), found("wgpu")) else {
        eprintln!("SKIPPED wgpu: there is none");
        return;
    };
    assert_eq!(all[0], first[0]);
    let mut kinds = BTreeMap::new();
    for device in glm4v::devices() {
        if device.spec.backend == all[0].spec.backend {
            *kinds.entry(format!("{:?}", device.kind)).or_insert(0) += 1;
        }
    }
    assert_eq!(all.len(), kinds[&format!("{:?}", all[0].kind)]);
    assert_eq!(found("wgpu:0,wgpu:0").unwrap().len(), 2);
}

/// On a machine with none the error is the backend's own.
#[test]
fn devices_that_are_not_there_are_named() {
    let error = "cuda:all".parse::<DeviceSpecs>().unwrap().find();
    match error {
        Ok(devices) => assert!(!devices.is_empty()),
        Err(error) => assert!(error.to_string().contains("cuda"), "{error}"),
    }
}
