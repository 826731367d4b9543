//! A collection of generated images for `cargo xtask soak-job`, and the time that its images take without a job.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use glm4v::pipeline::Batches;
use glm4v::{LoadOptions, Preset, VisionEncoder};
use glm4v_tests::Random;
use image::ImageFormat;
use serde_json::json;

/// Makes a collection of images, and times it.
#[derive(Parser)]
enum Args {
    /// Write images of mixed formats and sizes into subfolders, one in a hundred of them damaged
    Make {
        /// The folder, which is created
        folder: PathBuf,
        /// The number of images
        images: u32,
        /// A file for the names of the damaged images, one a line
        damaged: PathBuf,
    },
    /// Decode and encode the images with random weights, store nothing, and print the seconds of both
    Time {
        /// The folder
        folder: PathBuf,
        /// The preset
        #[arg(long, default_value = "tiny")]
        preset: Preset,
        /// Only one half of the images
        #[arg(long)]
        half: Option<Half>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Half {
    First,
    Second,
}

const FORMATS: [ImageFormat; 5] = [
    ImageFormat::Jpeg,
    ImageFormat::Png,
    ImageFormat::WebP,
    ImageFormat::Bmp,
    ImageFormat::Gif,
];
/// The sides of an image in pixels.
const SIDES: std::ops::Range<u32> = 20..120;
/// Images in a subfolder.
const FOLDER: u32 = 1000;
/// One in so many images is damaged.
const DAMAGED: u32 = 100;

fn main() -> Result<()> {
    match Args::parse() {
        Args::Make {
            folder,
            images,
            damaged,
        } => make(&folder, images, &damaged),
        Args::Time {
            folder,
            preset,
            half,
        } => time(part(files(&folder)?, half), preset),
    }
}

/// The same number of images gives the same files on every machine.
fn make(folder: &Path, images: u32, damaged: &Path) -> Result<()> {
    let mut names = String::new();
    for number in 0..images {
        let mut random = Random::new(u64::from(number));
        let format = random.choice(&FORMATS);
        let extension = format.extensions_str()[0];
        let name = format!("{:04}/{number:07}.{extension}", number / FOLDER);
        let path = folder.join(&name);
        if number.is_multiple_of(FOLDER) {
            fs::create_dir_all(folder.join(format!("{:04}", number / FOLDER)))?;
        }
        let mut bytes = Cursor::new(Vec::new());
        let size = [(); 2].map(|()| random.within(SIDES));
        let image = random.image(size, size.map(|side| (side / 8).max(2)));
        image.write_to(&mut bytes, format)?;
        let mut bytes = bytes.into_inner();
        if number % DAMAGED == DAMAGED / 2 {
            // The start stays, so that it is still recognised as an image.
            bytes.truncate((bytes.len() / 3).max(30));
            names += &format!("{name}\n");
        }
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    }
    fs::write(damaged, names).with_context(|| damaged.display().to_string())
}

fn part(mut files: Vec<PathBuf>, half: Option<Half>) -> Vec<PathBuf> {
    let middle = files.len() / 2;
    match half {
        None => files,
        Some(Half::First) => files.drain(..middle).collect(),
        Some(Half::Second) => files.split_off(middle),
    }
}

fn time(files: Vec<PathBuf>, preset: Preset) -> Result<()> {
    let encoder = VisionEncoder::random(preset, 0, &LoadOptions::default())?;
    let mut batches = Batches::new(encoder.inputs(files));
    let (mut decode, mut encode) = (Duration::ZERO, Duration::ZERO);
    let (mut encoded, mut failed) = (0, 0);
    loop {
        let start = Instant::now();
        let Some(batch) = batches.next() else {
            break;
        };
        decode += start.elapsed();
        let bad = batch.inputs.iter().filter(|input| input.is_err()).count();
        failed += bad;
        encoded += batch.inputs.len() - bad;
        if batch.patches.num_patches() > 0 {
            let start = Instant::now();
            encoder.encode_values(&batch.patches)?;
            encode += start.elapsed();
        }
    }
    let [decode, encode] = [decode, encode].map(|time| time.as_secs_f64());
    println!(
        "{}",
        json!({"decode": decode, "encode": encode, "encoded": encoded, "failed": failed})
    );
    Ok(())
}

/// All files of the subfolders, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for inner in entries(folder)? {
        files.extend(entries(&inner)?);
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
