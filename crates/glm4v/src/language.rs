use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use glm4v_model::Linear;

use crate::Error;

/// Puts the rows of `embeddings`, in their order, where `input_ids` has `placeholder`: what transformers' models do
/// with `masked_scatter`. For the GLM-V models `placeholder` is `image_token_id` of `config.json`, for clips too. The
/// embeddings are cast to the type of `inputs_embeds`.
///
/// # Shapes
/// - inputs_embeds, output: `[batch, sequence, hidden_size]`
/// - input_ids: `batch · sequence` token ids, sequence after sequence
/// - embeddings: `[tokens, hidden_size]`, those of [`Embeddings`](crate::Embeddings)
///
/// # Errors
/// [`Error::Placeholders`] where the placeholders are not as many as the embeddings; [`Error::Shape`] where the
/// shapes do not belong together.
pub fn scatter(
    inputs_embeds: Tensor<3>,
    input_ids: &[i64],
    placeholder: i64,
    embeddings: Tensor<2>,
) -> Result<Tensor<3>, Error> {
    let [batch, sequence, width] = inputs_embeds.dims();
    let rows = batch * sequence;
    check_shape(
        "input_ids",
        input_ids.len() == rows,
        rows,
        &[input_ids.len()],
    )?;
    let [tokens, found] = embeddings.dims();
    let expected = format!("[tokens, {width}]");
    check_shape("embeddings", found == width, expected, &[tokens, found])?;

    let found = input_ids.iter().filter(|&&id| id == placeholder).count();
    if found != tokens {
        return Err(Error::Placeholders {
            placeholder,
            embeddings: tokens,
            found,
        });
    }
    // One gather from the text's rows with the embeddings' behind them.
    let mut embedding = rows..;
    let source: Vec<i32> = (0..rows)
        .zip(input_ids)
        .map(|(row, &id)| match id == placeholder {
            true => embedding.next().unwrap_or(row) as i32,
            false => row as i32,
        })
        .collect();
    let source = TensorData::new(source, [rows]);
    let source = Tensor::<1, Int>::from_data(source, &inputs_embeds.device());
    let text = inputs_embeds.reshape([rows, width]);
    let embeddings = embeddings.cast(text.dtype());
    let merged = Tensor::cat(vec![text, embeddings], 0).select(0, source);
    Ok(merged.reshape([batch, sequence, width]))
}

/// A linear map to the width of another language model.
#[derive(Module, Debug)]
pub struct Projection {
    proj: Linear,
}

impl Projection {
    /// x·weightᵀ + bias, in torch's layout: `weight` `[out, in]`, `bias` `[out]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a bias of another length.
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Result<Self, Error> {
        let [out, _] = weight.dims();
        if let Some(bias) = &bias {
            let [found] = bias.dims();
            check_shape("bias", found == out, format!("[{out}]"), &[found])?;
        }
        Ok(Self {
            proj: Linear::new(vec![weight], bias),
        })
    }

    /// # Shapes
    /// - embeddings: `[tokens, in]`
    /// - output: `[tokens, out]`
    ///
    /// # Errors
    /// [`Error::Shape`] for embeddings of another width.
    pub fn forward(&self, embeddings: Tensor<2>) -> Result<Tensor<2>, Error> {
        let width = self.proj.inputs();
        let [tokens, found] = embeddings.dims();
        let expected = format!("[tokens, {width}]");
        check_shape("embeddings", found == width, expected, &[tokens, found])?;
        Ok(self.proj.forward(embeddings))
    }
}

fn check_shape(
    what: &'static str,
    fits: bool,
    expected: impl ToString,
    found: &[usize],
) -> Result<(), Error> {
    if fits {
        return Ok(());
    }
    Err(Error::Shape {
        what,
        expected: expected.to_string(),
        found: found.to_vec(),
    })
}
