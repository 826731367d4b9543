//! Puts the embeddings of an image into the input of a language model: `cargo run --example into_decoder [IMAGE]`.
//!
//! A table of random token embeddings stands for the language model.

use glm4v::burn::tensor::{Distribution, Int};
use glm4v::{LoadOptions, Preset, Tensor, VisionEncoder, open_image, prompt};

const IMAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/images/chelsea.png"
);
/// The token of [`prompt::IMAGE`]: `image_token_id` of config.json, 151343 in the published models.
const IMAGE_TOKEN: i64 = 256;

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or(IMAGE.to_owned());
    let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
    let embeddings = encoder.encode_images(&[open_image(path, &Default::default())?])?;

    let merge = encoder.config().spatial_merge_size;
    let image = prompt::image(embeddings.grids[0], merge);
    let ids = tokenize(&format!("[gMASK]<sop><|user|>{image}What is this?"));

    let device = embeddings.tensor.device();
    let width = encoder.config().out_hidden_size;
    let table = Tensor::<2>::random([257, width], Distribution::Normal(0.0, 0.02), &device);
    let tokens = Tensor::<1, Int>::from_ints(&ids[..], &device);
    let inputs_embeds = table.select(0, tokens).unsqueeze();

    let inputs_embeds = prompt::scatter(inputs_embeds, &ids, IMAGE_TOKEN, embeddings.tensor)?;
    println!("inputs_embeds: {:?}", inputs_embeds.dims());
    Ok(())
}

/// Stands for the tokenizer: a token is a placeholder or one byte.
fn tokenize(text: &str) -> Vec<i64> {
    let parts = text
        .split(prompt::IMAGE)
        .map(|part| part.bytes().map(i64::from));
    let mut ids = Vec::new();
    for (index, bytes) in parts.enumerate() {
        if index > 0 {
            ids.push(IMAGE_TOKEN);
        }
        ids.extend(bytes);
    }
    ids
}
