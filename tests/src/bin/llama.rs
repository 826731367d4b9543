//! Compares embeddings with those of llama.cpp, given the same GGUF file and the same pixels. `cargo xtask test-llama` builds
//! the program of llama.cpp.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use glm4v::preprocess::unpatchify;
use glm4v::weights::Encoding;
use glm4v::{Patches, VisionEncoder, open_image};
use glm4v_tests::{GGUF_GOLDENS, export_gguf, image_path, load_options};

/// The types of files, and the smallest allowed cosine of an embedding. llama.cpp rounds the activations to the type of the
/// weights: with bf16 to bf16, and with q8_0 to 8 bits.
const TYPES: [(Encoding, f64); 4] = [
    (Encoding::F32, 0.9999),
    (Encoding::F16, 0.9999),
    (Encoding::Bf16, 0.9995),
    (Encoding::Q8_0, 0.995),
];

#[derive(Parser)]
struct Args {
    /// The program that `cargo xtask test-llama` builds
    program: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let dir = tempfile::tempdir()?;
    let (mut worst, mut failed) = (1.0_f64, Vec::new());
    for golden in GGUF_GOLDENS {
        for (encoding, bound) in TYPES {
            let file = export_gguf(golden, dir.path(), encoding)?;
            let cosine = compare(&args.program, &file)?;
            println!("{golden:22} {encoding:5} smallest cosine {cosine:.7}");
            worst = worst.min(cosine);
            if cosine < bound {
                failed.push(format!(
                    "{golden} in {encoding}: {cosine}, expected {bound}"
                ));
            }
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    println!("smallest cosine of all: {worst:.7}");
    Ok(())
}

/// The smallest cosine between an embedding of ours and of llama.cpp.
fn compare(program: &Path, file: &Path) -> Result<f64> {
    let options = load_options("flex").context("flex is a backend of this build")?;
    let encoder = VisionEncoder::load(file, &options)?;
    let image = open_image(image_path("rgb-90x62.png"), &Default::default())?;
    let patches = encoder.processor().preprocess_images(&[image])?;
    let ours = encoder.encode_values(&patches)?;
    let theirs = llama(program, file, &encoder, &patches)?;
    ensure!(
        ours.len() == theirs.len(),
        "{} values, and {} of llama.cpp",
        ours.len(),
        theirs.len()
    );
    let width = encoder.config().out_hidden_size;
    let rows = ours.chunks_exact(width).zip(theirs.chunks_exact(width));
    Ok(rows
        .map(|(ours, theirs)| cosine(ours, theirs))
        .fold(1.0, f64::min))
}

/// The embeddings that llama.cpp computes from the same pixels.
fn llama(
    program: &Path,
    file: &Path,
    encoder: &VisionEncoder,
    patches: &Patches,
) -> Result<Vec<f32>> {
    let config = encoder.processor().config();
    let input = patches.iter().next().context("the batch has an image")?;
    let image = unpatchify(config, input, 0)?;
    let normalized = image
        .as_raw()
        .iter()
        .enumerate()
        .flat_map(|(index, &level)| {
            let value = f32::from(level) / 255.0;
            ((value - config.image_mean[index % 3]) / config.image_std[index % 3]).to_le_bytes()
        });
    let (width, height) = image.dimensions();
    let mut child = Command::new(program)
        .arg(file)
        .args([width.to_string(), height.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| program.display().to_string())?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    stdin.write_all(&normalized.collect::<Vec<u8>>())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "llama.cpp failed: {}",
        output.status
    );
    let values = output.stdout.as_chunks().0.iter();
    Ok(values.map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
        products.sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
