//! Hidden states and attention beside the embeddings.

use glm4v::model::Stage;
use glm4v::{AttentionQuery, EncodeOptions, GridThw, Patches, Tensor, VisionEncoder};
use glm4v_tests::{
    Difference, Expected, F32_TOLERANCE, Golden, load_options, reference_patches, tiny_encoder,
};
use ndarray::Array2;

fn encoder() -> VisionEncoder {
    tiny_encoder("flex").unwrap()
}

/// Two videos and an image, with equal segments apart.
fn patches(encoder: &VisionEncoder) -> Patches {
    let grids = [[2, 4, 6], [1, 2, 2], [3, 4, 6]]
        .map(GridThw::from)
        .to_vec();
    let wave = |(row, column): (usize, usize)| ((row * 31 + column * 7) as f32).sin();
    let rows = Array2::from_shape_fn((48 + 4 + 72, encoder.config().patch_dim()), wave);
    Patches::from_pixel_values(rows, grids).unwrap()
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().into_data().iter().collect()
}

#[test]
fn hidden_states_are_at_the_place_of_their_patches() {
    let encoder = encoder();
    let patches = patches(&encoder);
    let (mut block, mut downsampled) = (Vec::new(), Vec::new());
    let mut observe = |stage, x: Tensor<2>| match stage {
        Stage::Block(0) => block = values(&x),
        Stage::Downsample => downsampled = values(&x),
        Stage::PatchEmbed
        | Stage::PostConvLayernorm
        | Stage::Embeddings
        | Stage::BlockInput(_)
        | Stage::Block(_)
        | Stage::PostLayernorm
        | Stage::Merger => {}
    };
    encoder.encode_observed(&patches, &mut observe).unwrap();
    let options = EncodeOptions {
        last_hidden_state: true,
        hidden_states: vec![0],
        ..EncodeOptions::default()
    };
    let output = encoder.encode_with(&patches, &options).unwrap();
    assert_eq!(values(&output.last_hidden_state.unwrap()), downsampled);
    let maps = &output.hidden_states[0];
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
fn blocks_and_patches_that_do_not_exist_are_refused() {
    let encoder = encoder();
    let patches = patches(&encoder);
    let refused = |options: EncodeOptions| {
        encoder
            .encode_with(&patches, &options)
            .unwrap_err()
            .to_string()
    };
    let block = refused(EncodeOptions {
        hidden_states: vec![1],
        ..EncodeOptions::default()
    });
    assert_eq!(block, "block 1 does not exist: expected 0 to 0");
    for (query, error) in [
        (
            AttentionQuery {
                item: 3,
                ..Default::default()
            },
            "item 3 does not exist: expected 0 to 2",
        ),
        (
            AttentionQuery {
                t: 2,
                ..Default::default()
            },
            "temporal patch 2 does not exist: expected 0 to 1",
        ),
        (
            AttentionQuery {
                y: 4,
                ..Default::default()
            },
            "row of patches 4 does not exist: expected 0 to 3",
        ),
        (
            AttentionQuery {
                x: 6,
                ..Default::default()
            },
            "column of patches 6 does not exist: expected 0 to 5",
        ),
    ] {
        let options = EncodeOptions {
            attention: vec![query],
            ..EncodeOptions::default()
        };
        let found = refused(options);
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn items_have_maps_too() {
    let encoder = encoder();
    let patches = patches(&encoder);
    let embeddings = encoder.encode(&patches).unwrap();
    let all = values(&embeddings.tensor);
    let items: Vec<_> = embeddings.items().collect();
    assert_eq!(items[2].map().dims(), [3, 2, 3, 256]);
    assert_eq!(items[2].num_tokens(), 18);
    assert_eq!(values(&items[2].map()), all[13 * 256..]);
}

/// Compares the attention of chosen patches with the reference's eager attention (`tests/golden/detail_cases.py`).
fn attention_is_the_references(backend: &str) {
    let Some(options) = load_options(backend) else {
        return;
    };
    let mut compared = 0;
    for golden in Golden::all().unwrap() {
        let file = golden.checkpoint.join("details.safetensors");
        if !file.exists() {
            continue;
        }
        let expected = Expected::read(&file).unwrap().stages;
        let encoder = VisionEncoder::load(&golden.checkpoint, &options).unwrap();
        let patches = reference_patches(&golden, encoder.config().patch_dim()).unwrap();
        let options = EncodeOptions {
            attention: expected.keys().map(|name| query(name)).collect(),
            ..EncodeOptions::default()
        };
        let output = encoder.encode_with(&patches, &options).unwrap();
        for ((name, expected), found) in expected.iter().zip(&output.attention) {
            let difference = Difference::new(&values(found), expected);
            let case = &golden.name;
            assert!(
                difference.relative_l2 <= F32_TOLERANCE,
                "{case} {name}: {difference:?}"
            );
            compared += 1;
        }
    }
    assert!(compared >= 6, "{compared} compared");
}

#[test]
fn attention_on_flex() {
    attention_is_the_references("flex");
}

#[test]
#[cfg_attr(not(feature = "wgpu"), ignore = "needs the feature wgpu")]
fn attention_on_wgpu() {
    attention_is_the_references("wgpu");
}

/// The query of a name such as `attention.1:0:2:3:4`: block, item, temporal patch, row, column.
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
