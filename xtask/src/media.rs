use std::process::Command;

use anyhow::{Context, Result};

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
}

/// Mutates the tests' images and generates videos, and compares their pixels with those of Pillow and torchcodec.
pub(crate) fn run(args: &Args) -> Result<()> {
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
    for (option, number) in [
        ("--images", args.images),
        ("--videos", args.videos),
        ("--seed", args.seed),
    ] {
        script.args([option, &number.to_string()]);
    }
    shell::run(&mut script)
        .with_context(|| format!("files with other pixels are in {}", work.display()))
}
