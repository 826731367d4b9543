//! Encodes one image: `cargo run --example encode_image [IMAGE [MODEL]]`.
//!
//! MODEL is a checkpoint directory, or with `--features hub` a name such as zai-org/GLM-4.1V-9B-Thinking. Without it the
//! weights are random.

use glm4v::{LoadOptions, Preset, VisionEncoder, open_image};

const IMAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/images/chelsea.png"
);

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or(IMAGE.to_owned());
    let encoder = match args.next() {
        Some(model) => VisionEncoder::from_pretrained(model)?,
        None => VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?,
    };
    let image = open_image(&path, &Default::default())?;
    let embeddings = encoder.encode_images(&[image])?;
    println!(
        "{path}: grid {}, embeddings {:?}",
        embeddings.grids[0],
        embeddings.tensor.dims()
    );
    let values = embeddings.into_values()?;
    println!("the first values: {:?}", &values[..4]);
    Ok(())
}
