//! Embeddings in the input of a language model.

use glm4v::prompt::{Projection, scatter};
use glm4v::{Device, Error, FloatDType, Tensor};
use glm4v_tests::open_device;

const IMAGE: i64 = 151_343;

fn flex() -> Device {
    open_device("flex").unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

fn text() -> Tensor<3> {
    Tensor::from_floats(
        [
            [[1., 1.], [2., 2.], [3., 3.]],
            [[4., 4.], [5., 5.], [6., 6.]],
        ],
        &flex(),
    )
}

fn embeddings() -> Tensor<2> {
    Tensor::from_floats([[10., 11.], [20., 21.], [30., 31.]], &flex())
}

/// Recorded from torch: `text.masked_scatter(mask.unsqueeze(-1).expand_as(text), embeddings)`.
#[test]
fn embeddings_replace_the_placeholders_in_order() {
    let ids = [7, IMAGE, 8, IMAGE, IMAGE, 9];
    let merged = scatter(text(), &ids, IMAGE, embeddings()).unwrap();
    assert_eq!(merged.dims(), [2, 3, 2]);
    assert_eq!(
        values(merged),
        [1., 1., 10., 11., 3., 3., 20., 21., 30., 31., 6., 6.]
    );
}

#[test]
fn the_type_of_the_text_is_kept() {
    let text = text().cast(FloatDType::BF16);
    let merged = scatter(text, &[7, IMAGE, 8, IMAGE, IMAGE, 9], IMAGE, embeddings()).unwrap();
    assert_eq!(merged.dtype(), glm4v::burn::tensor::DType::BF16);
}

#[test]
fn counts_and_shapes_must_agree() {
    let error = |ids: &[i64]| scatter(text(), ids, IMAGE, embeddings()).unwrap_err();
    let few = error(&[7, IMAGE, 8, 9, IMAGE, 9]);
    assert!(
        matches!(
            few,
            Error::Placeholders {
                embeddings: 3,
                found: 2,
                ..
            }
        ),
        "{few}"
    );
    let few = few.to_string();
    assert!(
        few.contains("2 placeholders (token 151343)") && few.contains("3 embeddings"),
        "{few}"
    );
    let short = error(&[7, IMAGE]).to_string();
    assert_eq!(short, "input_ids: expected shape 6, found [2]");

    let wide = Tensor::<2>::zeros([3, 5], &flex());
    let wide = scatter(text(), &[IMAGE; 6], IMAGE, wide)
        .unwrap_err()
        .to_string();
    assert_eq!(wide, "embeddings: expected shape [tokens, 2], found [3, 5]");
}

#[test]
fn a_projection_changes_the_width() {
    let weight = Tensor::<2>::from_floats([[1., 2.], [0., 1.], [-1., 0.]], &flex());
    let bias = Tensor::<1>::from_floats([0.5, 0., 0.], &flex());
    let projection = Projection::new(weight.clone(), Some(bias)).unwrap();
    let projected = projection.forward(embeddings().slice(0..1)).unwrap();
    assert_eq!(values(projected), [32.5, 11., -10.]);

    let error = projection
        .forward(Tensor::zeros([1, 4], &flex()))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "embeddings: expected shape [tokens, 2], found [1, 4]"
    );
    let bias = Tensor::<1>::zeros([2], &flex());
    assert!(Projection::new(weight, Some(bias)).is_err());
}
