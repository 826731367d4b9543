//! What the tower gives beside the embeddings.

use glm4v::{
    AttentionQuery, Device, DeviceSpec, GridThw, Patches, Preset, Stage, Tensor, VisionEncoder,
    Wanted,
};
use glm4v_tests::{Difference, Expected, F32_TOLERANCE, Golden, reference_patches};
use ndarray::Array2;

fn encoder() -> VisionEncoder {
    let flex: Device = "flex".parse::<DeviceSpec>().unwrap().open().unwrap();
    VisionEncoder::random(Preset::Tiny, 1, &flex).unwrap()
}

/// Two clips and a picture, equal segments apart.
fn patches(encoder: &VisionEncoder) -> Patches {
    let grids = [[2, 4, 6], [1, 2, 2], [3, 4, 6]]
        .map(GridThw::from)
        .to_vec();
    let wave = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32).sin();
    let rows = Array2::from_shape_fn((48 + 4 + 72, encoder.config().patch_dim()), wave);
    Patches::new(rows, grids).unwrap()
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().into_data().iter().collect()
}

#[test]
fn hidden_states_lie_where_their_patches_do() {
    let encoder = encoder();
    let patches = patches(&encoder);
    let (mut block, mut downsampled) = (Vec::new(), Vec::new());
    let mut observe = |stage, x: Tensor<2>| match stage {
        Stage::Block(0) => block = values(&x),
        Stage::Downsample => downsampled = values(&x),
        _ => {}
    };
    encoder
        .encode_observed(&patches, Some(&mut observe))
        .unwrap();
    let wanted = Wanted {
        hidden_states: vec![0],
        ..Wanted::default()
    };
    let details = encoder.encode_with(&patches, &wanted).unwrap();
    assert_eq!(values(&details.last_hidden_state), downsampled);
    let maps = &details.hidden_states[0];
    let width = encoder.config().hidden_size;
    let mut first = 0;
    for (map, grid) in maps.iter().zip(patches.grids()) {
        assert_eq!(map.dims(), [grid.t, grid.h, grid.w, width]);
        let map = values(map);
        for (t, y, x) in [
            (0, 0, 0),
            (0, 1, 1),
            (grid.t - 1, grid.h - 1, grid.w - 1),
            (grid.t - 1, 0, 1),
        ] {
            let row = first + grid.patch_row((t, y, x), 2);
            let found = ((t * grid.h + y) * grid.w + x) * width;
            assert_eq!(
                map[found..found + width],
                block[row * width..(row + 1) * width]
            );
        }
        first += grid.num_patches();
    }
}

#[test]
fn what_there_is_not_is_refused() {
    let encoder = encoder();
    let patches = patches(&encoder);
    let refused = |wanted: Wanted| {
        encoder
            .encode_with(&patches, &wanted)
            .unwrap_err()
            .to_string()
    };
    let block = refused(Wanted {
        hidden_states: vec![1],
        ..Wanted::default()
    });
    assert_eq!(block, "expected a block from 0 to 0, found 1");
    for (query, error) in [
        (
            AttentionQuery {
                item: 3,
                ..Default::default()
            },
            "an item from 0 to 2, found 3",
        ),
        (
            AttentionQuery {
                t: 2,
                ..Default::default()
            },
            "a temporal patch from 0 to 1, found 2",
        ),
        (
            AttentionQuery {
                y: 4,
                ..Default::default()
            },
            "a row of patches from 0 to 3, found 4",
        ),
        (
            AttentionQuery {
                x: 6,
                ..Default::default()
            },
            "a column of patches from 0 to 5, found 6",
        ),
    ] {
        let wanted = Wanted {
            attention: vec![query],
            ..Wanted::default()
        };
        let found = refused(wanted);
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn items_have_maps_too() {
    let encoder = encoder();
    let patches = patches(&encoder);
    let embeddings = encoder.encode(&patches).unwrap();
    let all = values(&embeddings.embeddings);
    let items: Vec<_> = embeddings.items().collect();
    assert_eq!(items[2].map().dims(), [3, 2, 3, 256]);
    assert_eq!(items[2].num_tokens(), 18);
    assert_eq!(values(&items[2].map()), all[13 * 256..]);
}

/// The attention of chosen patches, recorded from the reference's eager attention (`tests/golden/detail_cases.py`).
#[test]
fn attention_is_the_references() {
    let mut compared = 0;
    for golden in Golden::all().unwrap() {
        let file = golden.checkpoint.join("details.safetensors");
        if !file.exists() {
            continue;
        }
        let expected = Expected::read(&file).unwrap().stages;
        for device in ["flex", "wgpu"] {
            let device = match device.parse::<DeviceSpec>().unwrap().open() {
                Ok(device) => device,
                Err(error) => {
                    eprintln!("SKIPPED {device}: {error}");
                    continue;
                }
            };
            let encoder = VisionEncoder::from_dir(&golden.checkpoint, &device).unwrap();
            let patches = reference_patches(&golden, encoder.config().patch_dim()).unwrap();
            let wanted = Wanted {
                attention: expected.keys().map(|name| query(name)).collect(),
                ..Wanted::default()
            };
            let details = encoder.encode_with(&patches, &wanted).unwrap();
            for ((name, expected), found) in expected.iter().zip(&details.attention) {
                let difference = Difference::new(&values(found), expected);
                let case = &golden.name;
                assert!(
                    difference.relative_l2 <= F32_TOLERANCE,
                    "{case} {name}: {difference:?}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared >= 6, "{compared} compared");
}

/// As in `attention.1:0:2:3:4`: block, item, temporal patch, row, column.
fn query(name: &str) -> AttentionQuery {
    let (_, numbers) = name.split_once('.').unwrap();
    let numbers: Vec<usize> = numbers
        .split(':')
        .map(|part| part.parse().unwrap())
        .collect();
    let [block, item, t, y, x] = numbers[..] else {
        panic!("{name}")
    };
    AttentionQuery {
        block,
        item,
        t,
        y,
        x,
    }
}
