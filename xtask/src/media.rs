use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{python, shell};

/// Arguments of `differential-media`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Mutated images that Pillow reads
    #[arg(long, default_value_t = 20_000)]
    images: u32,
    /// Generated videos
    #[arg(long, default_value_t = 200)]
    videos: u32,
    /// The seed; the same seed gives the same files
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Compare the images and videos of these folders as they are, and make none
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with_all = ["images", "videos", "seed"])]
    files: Vec<PathBuf>,
}

/// Compares the pixels of mutated images, of generated videos or of given files with those of Pillow and torchcodec.
pub(crate) fn run(args: &Args) -> Result<()> {
    for folder in &args.files {
        ensure!(
            folder.is_dir(),
            "{}: there is no such folder",
            folder.display()
        );
    }
    let build = [
        "build",
        "--quiet",
        "--package=glm4v-preprocess",
        "--example=pixels",
    ];
    shell::run(&mut shell::cargo(build))?;
    let target = shell::target_dir()?;
    let work = target.join("differential-media");
    if work.exists() {
        std::fs::remove_dir_all(&work).with_context(|| work.display().to_string())?;
    }
    let mut script: Command = python::script("mutated.py")?;
    script.arg(target.join("debug/examples/pixels")).arg(&work);
    let (images, videos) = match args.files.is_empty() {
        true => (args.images, args.videos),
        false => (0, 0),
    };
    for (option, number) in [
        ("--images", images),
        ("--videos", videos),
        ("--seed", args.seed),
    ] {
        script.args([option, &number.to_string()]);
    }
    if !args.files.is_empty() {
        script.arg("--files").args(&args.files);
        return shell::run(&mut script).context("files with other pixels are listed above");
    }
    shell::run(&mut script)
        .with_context(|| format!("files with other pixels are in {}", work.display()))
}
