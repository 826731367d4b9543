//! Encodes many files, and goes on after damaged ones: `cargo run --example batch_with_errors [FILE…]`.

use glm4v::{LoadOptions, Preset, VisionEncoder};

const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images");

fn main() -> anyhow::Result<()> {
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        // The second file is no image, and the third does not exist.
        let names = ["chelsea.png", "README.md", "no-such.png", "exif-6.jpg"];
        paths = names.map(|name| format!("{IMAGES}/{name}")).to_vec();
    }
    let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
    let (mut encoded, mut failed) = (0, 0);
    for item in encoder.encode_paths(paths) {
        match item {
            Ok(item) => {
                encoded += 1;
                println!("{}: {} tokens", item.input.name, item.input.tokens);
            }
            Err(error) => {
                failed += 1;
                eprintln!("input {}: {error}", error.index);
            }
        }
    }
    println!("{encoded} encoded, {failed} failed");
    Ok(())
}
