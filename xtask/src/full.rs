use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{parity, python, shell};

const PHOTO: &str = "tests/images/coffee-336.jpg";
/// The goal for the whole tower in f32, in relative L2: twenty-four blocks of rounding.
const TOLERANCE: &str = "1e-4";

/// Compares the full-size tower with transformers, on the same random checkpoint and the same photo.
pub(crate) fn run(args: &parity::Args) -> Result<()> {
    let release = build(&args.built_with())?;
    let work = shell::target_dir()?.join("full");
    std::fs::create_dir_all(&work)?;
    let checkpoint = checkpoint(&release, &work, &args.preset)?;
    let photo = shell::root().join(PHOTO);
    let expected = work.join("expected-f32.safetensors");
    reference(args, "f32", &checkpoint, &photo, &expected)?;

    let mut command = Command::new(release.join("parity"));
    args.apply(&mut command);
    command.args(["--tolerance", TOLERANCE]);
    command.args(["--repeat", &args.repeat.to_string()]);
    if args.dtype != "f32" {
        let own = work.join(format!("expected-{}.safetensors", args.dtype));
        reference(args, &args.dtype, &checkpoint, &photo, &own)?;
        command.arg("--own").arg(own);
    }
    command.arg("--checkpoint").arg(checkpoint);
    command.arg("--expected").arg(expected).arg(photo);
    if let Some(threads) = args.threads {
        command.env("RAYON_NUM_THREADS", threads.to_string());
    }
    shell::run(&mut command)
}

/// A random checkpoint of full size in bf16, the same each time.
pub(crate) fn checkpoint(release: &Path, work: &Path, preset: &str) -> Result<PathBuf> {
    let checkpoint = work.join(preset);
    if !checkpoint.exists() {
        let mut init = Command::new(release.join("glm4v"));
        init.args(["init", "--preset", preset, "--seed", "1"]);
        init.args(["--dtype", "bf16", "-o"]).arg(&checkpoint);
        shell::run(&mut init)?;
    }
    Ok(checkpoint)
}

/// Builds the programs optimised, with these backends and what else burn is to have, and no others; gives their folder.
pub(crate) fn build(features: &[&str]) -> Result<PathBuf> {
    let names = features
        .iter()
        .filter_map(|feature| feature.split(':').next());
    let features: Vec<String> = names
        .flat_map(|name| [format!("glm4v-tests/{name}"), format!("glm4v-cli/{name}")])
        .collect();
    let mut command = shell::cargo(["build", "--release", "--quiet"]);
    command.args([
        "--package",
        "glm4v-tests",
        "--package",
        "glm4v-cli",
        "--bins",
    ]);
    command.args(["--no-default-features", "--features", &features.join(",")]);
    shell::run(&mut command)?;
    Ok(shell::target_dir()?.join("release"))
}

/// Has transformers encode the photo, writes its stages, and prints its times.
fn reference(
    args: &parity::Args,
    dtype: &str,
    checkpoint: &Path,
    photo: &Path,
    expected: &Path,
) -> Result<()> {
    let mut command = python::reference()?;
    command
        .arg("run")
        .arg(checkpoint)
        .arg(photo)
        .arg("-o")
        .arg(expected);
    command.args(["--dtype", dtype, "--repeat", &args.repeat.to_string()]);
    if let Some(threads) = args.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    let line = shell::output(&mut command)?;
    let report = serde_json::from_str(&line);
    let report: Value = report.with_context(|| format!("the reference printed {line}"))?;
    println!(
        "{}",
        times(&report).context("the reference printed no times")?
    );
    Ok(())
}

fn times(report: &Value) -> Option<String> {
    let (versions, tower) = (&report["versions"], &report["seconds"]["tower"]);
    Some(format!(
        "transformers {}, torch {}, {}, {} threads: tower {:.3} s (min {:.3}, max {:.3}), peak {} MiB",
        versions["transformers"].as_str()?,
        versions["torch"].as_str()?,
        report["dtype"].as_str()?,
        report["threads"],
        tower["median"].as_f64()?,
        tower["min"].as_f64()?,
        tower["max"].as_f64()?,
        report["peak_rss_mib"],
    ))
}
