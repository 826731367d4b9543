use burn::tensor::{Int, Tensor, TensorData};

use super::check_shape;
use crate::Error;

/// Puts the rows of `embeddings`, in order, where `input_ids` has `placeholder`, as `masked_scatter` of torch does.
///
/// For the GLM-V models `placeholder` is `image_token_id` of `config.json`, for videos too. The embeddings are cast to the
/// type of `inputs_embeds`.
///
/// # Shapes
/// - inputs_embeds, output: `[batch, sequence, hidden_size]`
/// - input_ids: `batch · sequence` token ids, sequence after sequence
/// - embeddings: `[tokens, hidden_size]`
///
/// # Errors
/// [`Error::Placeholders`] if there is not one placeholder an embedding; [`Error::Shape`] if the shapes do not fit together.
pub fn scatter(
    inputs_embeds: Tensor<3>,
    input_ids: &[i64],
    placeholder: i64,
    embeddings: Tensor<2>,
) -> Result<Tensor<3>, Error> {
    let [batch, sequence, width] = inputs_embeds.dims();
    let rows = batch * sequence;
    let ids = input_ids.len();
    check_shape("input_ids", ids == rows, rows, &[ids])?;
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
    // One gather from the rows of the text with the embeddings behind them.
    let mut embedding = rows..;
    let source = (0..rows)
        .zip(input_ids)
        .map(|(row, &id)| match id == placeholder {
            true => embedding.next().unwrap_or(row) as i32,
            false => row as i32,
        });
    let source = TensorData::new(source.collect::<Vec<_>>(), [rows]);
    let source = Tensor::<1, Int>::from_data(source, &inputs_embeds.device());
    let text = inputs_embeds.reshape([rows, width]);
    let embeddings = embeddings.cast(text.dtype());
    let merged = Tensor::cat(vec![text, embeddings], 0).select(0, source);
    Ok(merged.reshape([batch, sequence, width]))
}
