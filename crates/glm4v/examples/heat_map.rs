//! Draws the hidden states of a block over an image: `cargo run --example heat_map [IMAGE [OUTPUT.png]]`.
//!
//! Patches of one color are alike to the encoder. With random weights the colors mean nothing.

use glm4v::image::{Rgb, RgbImage, imageops};
use glm4v::viz::{colors, principal_components};
use glm4v::{EncodeOptions, LoadOptions, Preset, VisionEncoder, open_image, values};
use ndarray::ArrayView2;

const IMAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/images/chelsea.png"
);

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or(IMAGE.to_owned());
    let output = args.next().map_or_else(
        || std::env::temp_dir().join("heat_map.png"),
        std::path::PathBuf::from,
    );
    let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
    let image = open_image(path, &Default::default())?;
    let patches = encoder
        .processor()
        .preprocess_images(std::slice::from_ref(&image))?;
    let options = EncodeOptions {
        hidden_states: vec![0],
        ..EncodeOptions::default()
    };
    let map = encoder.encode_with(&patches, &options)?.hidden_states[0][0].clone();
    let [_, h, w, width] = map.dims();
    let states = values(map)?;
    let states = ArrayView2::from_shape((h * w, width), &states)?;
    let colors = colors(principal_components(states, 3).view());
    let map = RgbImage::from_fn(w as u32, h as u32, |x, y| {
        Rgb(colors[y as usize * w + x as usize])
    });
    let (width, height) = (image.width(), image.height());
    let map = imageops::resize(&map, width, height, imageops::FilterType::Nearest);
    let mut drawn = image.to_rgb8();
    for (pixel, color) in drawn.pixels_mut().zip(map.pixels()) {
        for (level, other) in pixel.0.iter_mut().zip(color.0) {
            *level = level.midpoint(other);
        }
    }
    drawn.save(&output)?;
    println!("wrote {}", output.display());
    Ok(())
}
