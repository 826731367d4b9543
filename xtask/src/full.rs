use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::release::{self, Release};
use crate::{parity, python, shell};

/// The limit for the whole tower in f32, in relative L2. It allows for the rounding of twenty-four blocks.
const TOLERANCE: &str = "1e-4";

/// Compares the full-size tower with transformers, on the same random checkpoint and the same image.
pub(crate) fn run(args: &parity::Args) -> Result<()> {
    let release = Release::build(args.features())?;
    let checkpoint = release.checkpoint(&args.preset)?;
    let image = release::image();
    let expected = release.work.join("expected-f32.safetensors");
    reference(args, "f32", &checkpoint, &image, &expected)?;

    let mut command = release.program("parity");
    args.apply(&mut command);
    command.args(["--tolerance", TOLERANCE]);
    command.args(["--repeat", &args.repeat.to_string()]);
    // transformers has no int8.
    if !["f32", "int8"].contains(&&args.dtype[..]) {
        let name = format!("expected-{}.safetensors", args.dtype);
        let reduced = release.work.join(name);
        reference(args, &args.dtype, &checkpoint, &image, &reduced)?;
        command.arg("--own").arg(reduced);
    }
    command.arg("--checkpoint").arg(checkpoint);
    command.arg("--expected").arg(expected).arg(image);
    release::set_threads(&mut command, args.threads);
    shell::run(&mut command)
}

/// Runs transformers on the image, writes its stages, and prints its times.
fn reference(
    args: &parity::Args,
    dtype: &str,
    checkpoint: &Path,
    image: &Path,
    expected: &Path,
) -> Result<()> {
    let mut command = python::reference()?;
    command.arg("run").arg(checkpoint).arg(image);
    command.arg("-o").arg(expected);
    command.args(["--dtype", dtype, "--repeat", &args.repeat.to_string()]);
    if let Some(threads) = args.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    let line = shell::output(&mut command)?;
    let unknown = || format!("reference.py printed no report: {line}");
    let report: Value = serde_json::from_str(&line).with_context(unknown)?;
    println!("{}", times(&report).with_context(unknown)?);
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
