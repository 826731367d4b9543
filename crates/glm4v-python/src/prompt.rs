//! The placeholders of images and videos in a prompt.

use glm4v::burn::tensor::TensorData;
use glm4v::config::SamplingRule;
use glm4v::devices::Backend;
use glm4v::{DeviceSpec, Error, GridThw, Tensor, prompt, values};
use ndarray::{Array3, ArrayView, Dimension};
use numpy::{IntoPyArray, PyArray3, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;

use crate::{errors, threads};

/// The string of an image of this grid.
#[pyfunction]
pub(crate) fn image_prompt(grid: (usize, usize, usize), merge_size: usize) -> String {
    prompt::image(self::grid(grid), merge_size)
}

pub(crate) fn video(
    grid: (usize, usize, usize),
    timestamps: &[f64],
    rule: SamplingRule,
    merge_size: usize,
) -> String {
    prompt::video(self::grid(grid), timestamps, rule, merge_size)
}

fn grid((t, h, w): (usize, usize, usize)) -> GridThw {
    GridThw::new(t, h, w)
}

/// Puts the rows of `embeddings`, in order, where `input_ids` has `placeholder`.
///
/// # Shapes
/// - inputs_embeds, output: `[batch, sequence, hidden_size]`
/// - input_ids: `[batch · sequence]`
/// - embeddings: `[tokens, hidden_size]`
#[pyfunction]
pub(crate) fn scatter<'py>(
    py: Python<'py>,
    inputs_embeds: PyReadonlyArray3<'py, f32>,
    input_ids: PyReadonlyArray1<'py, i64>,
    placeholder: i64,
    embeddings: PyReadonlyArray2<'py, f32>,
) -> PyResult<Bound<'py, PyArray3<f32>>> {
    let (text, ids) = (data(inputs_embeds.as_array()), input_ids.as_slice()?);
    let embeddings = data(embeddings.as_array());
    let work = || {
        let device = DeviceSpec::from(Backend::Flex).open()?;
        let text = Tensor::<3>::from_data(text, &device);
        let merged = prompt::scatter(
            text,
            ids,
            placeholder,
            Tensor::from_data(embeddings, &device),
        )?;
        let shape = merged.dims();
        let merged = Array3::from_shape_vec(shape, values(merged)?);
        Ok::<_, Error>(merged.expect("a tensor has the values of its shape"))
    };
    let merged = threads::here(py, work)?.map_err(|error| errors::exception(py, &error))?;
    Ok(merged.into_pyarray(py))
}

fn data<D: Dimension>(array: ArrayView<'_, f32, D>) -> TensorData {
    TensorData::new(array.iter().copied().collect(), array.shape().to_vec())
}
