use std::fs::create_dir_all;
use std::path::Path;

use anyhow::{Context, Result};
use glm4v::Preset;
use glm4v::config::{ModelType, VisionConfig};
use glm4v::weights::{Encoding, WriteOptions, write_checkpoint};
use serde_json::{Value, json};

use crate::Random;

const DTYPES: [&str; 4] = ["f32", "bf16", "f16", "int8"];
const ENCODINGS: [Encoding; 3] = [Encoding::F32, Encoding::F16, Encoding::Bf16];
const ENDINGS: [&str; 4] = ["png", "jpg", "webp", "bmp"];
/// The shorter and the longer sides of images in pixels: small ones, photos, and wide ones.
const SIDES: [(u32, u32); 4] = [(28, 200), (200, 500), (500, 1000), (40, 1600)];

/// Writes a case into a directory: a checkpoint of a random configuration, and images of random sizes. Returns a type to
/// compute in, the checkpoint and the images: `{"dtype": …, "model": …, "images": […]}`.
///
/// # Errors
/// If a file cannot be written.
pub fn random_case(number: u32, dir: &Path) -> Result<Value> {
    let mut random = Random::new(u64::from(number));
    create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let model = dir.join("model");
    let options = WriteOptions {
        model_type: ModelType::Glm4v,
        vision: &vision(&mut random),
        image_processor: &Preset::Small.image_processor(),
        video_processor: &Preset::Small.video_processor(),
        seed: u64::from(number),
        encoding: random.choice(&ENCODINGS),
    };
    write_checkpoint(&model, &options)?;
    let mut images = Vec::new();
    for index in 0..random.within(1..5) {
        let image = dir.join(format!("{index}.{}", random.choice(&ENDINGS)));
        let (shortest, longest) = random.choice(&SIDES);
        let size = [(); 2].map(|()| random.within(shortest..longest));
        let photo = random.image(size, size.map(|side| side / 16 + 1));
        photo.save(&image)?;
        images.push(image);
    }
    Ok(json!({ "dtype": random.choice(&DTYPES), "model": model, "images": images }))
}

fn vision(random: &mut Random) -> VisionConfig {
    let num_heads = random.within(1..9) as usize;
    let hidden_size = num_heads * random.choice(&[32, 64, 80, 96, 128]);
    VisionConfig {
        depth: random.within(1..4) as usize,
        hidden_size,
        num_heads,
        image_size: random.choice(&[224, 336, 448]),
        out_hidden_size: 32 * random.within(2..65) as usize,
        intermediate_size: 32 * random.within(2..129) as usize,
        ..Preset::Small.vision()
    }
}
