//! The memory that `glm4v plan` predicts beside the memory that `glm4v encode` uses.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::watch;
use crate::release::{self, PRESET, Release, replace_between_marks};
use crate::shell;

mod group;
mod random;

/// Arguments of `memory`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the last row, which takes several minutes
    #[arg(long)]
    quick: bool,
    /// Run the rows whose text contains this, such as "tiny | f32"
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Threads [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Write the table to docs/performance.md
    #[arg(long, conflicts_with_all = ["quick", "only"])]
    write: bool,
    /// Run so many random configurations, images and types instead of the rows. Each also runs with limited memory, where a
    /// control group can be made. It must be done or refused then, not killed
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["quick", "only", "write"], value_parser = clap::value_parser!(u32).range(1..))]
    random: Option<u32>,
    /// The first random case. The same number gives the same case
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "random")]
    first: u32,
}

/// The weights of a row.
#[derive(Clone, Copy)]
enum Weights {
    Preset(&'static str),
    /// The full-size tower, of which only the first blocks are left.
    FirstBlocks(u32),
}

/// The input of a row.
#[derive(Clone, Copy)]
enum Input {
    Image,
    EightImages,
    Scaled(&'static str),
    /// A large image made by `bench tile`: its name in the table, its file, and the arguments.
    Tiled(&'static str, &'static str, &'static [&'static str]),
    Video,
}

use Input::{EightImages, Image, Scaled, Tiled, Video};
use Weights::{FirstBlocks, Preset};

const JPEG: Input = Tiled("4000×3000 JPEG", "jpeg-4000x3000.jpg", &["4000", "3000"]);
const EXIF: Input = Tiled(
    "48-megapixel JPEG, rotated by EXIF",
    "jpeg-rotated.jpg",
    &["--orientation", "6", "8000", "6000"],
);
const RGBA: Input = Tiled(
    "4000×3000 RGBA PNG",
    "rgba-4000x3000.png",
    &["4000", "3000"],
);
const PROGRESSIVE: Input = Tiled(
    "4000×3000 progressive JPEG",
    "progressive-4000x3000.jpg",
    &["--progressive", "4000", "3000"],
);
const LARGEST: Input = Scaled("2688x1792");
const FULL: Weights = Preset(PRESET);

/// The rows of the table.
const ROWS: [(Weights, &str, Input); 23] = [
    (Preset("tiny"), "f32", Image),
    (Preset("tiny"), "bf16", Image),
    (Preset("tiny"), "f32", Scaled("1008x1008")),
    (Preset("tiny"), "f32", EightImages),
    (Preset("tiny"), "f32", JPEG),
    (Preset("tiny"), "f32", Video),
    (Preset("small"), "f32", Image),
    (Preset("small"), "bf16", Image),
    (Preset("small"), "f32", Scaled("1008x1008")),
    (Preset("small"), "f32", EightImages),
    (Preset("small"), "bf16", EXIF),
    (Preset("small"), "bf16", RGBA),
    (Preset("small"), "bf16", PROGRESSIVE),
    (Preset("medium"), "f32", Image),
    (Preset("medium"), "bf16", Image),
    (Preset("medium"), "int8", Image),
    (Preset("medium"), "f32", Scaled("1008x1008")),
    (FULL, "f32", Image),
    (FULL, "bf16", Image),
    (FULL, "int8", Image),
    (FirstBlocks(2), "bf16", Scaled("1008x1008")),
    (FirstBlocks(2), "bf16", LARGEST),
    (FULL, "bf16", LARGEST),
];

/// The largest ratio of prediction and measurement.
const MAX_RATIO: f64 = 1.3;
/// The same for processes below [`SMALL_MIB`].
const MAX_SMALL_RATIO: f64 = 1.5;
/// 100 MB.
const SMALL_MIB: f64 = 100e6 / 1048576.0;

/// Measures every row, prints the table, and fails if a prediction is too low or much too high.
pub(crate) fn run(args: &Args) -> Result<()> {
    let release = Release::build(["flex"])?;
    if let Some(count) = args.random {
        return random::run(&release, args.first, count, args.threads);
    }
    let rows = if args.quick { &ROWS[..22] } else { &ROWS };
    let mut table = String::from(
        "| model | type | input | predicted | measured | ratio |\n|---|---|---|---|---|---|\n",
    );
    let mut misses = Vec::new();
    for &(weights, dtype, input) in rows {
        let name = format!("| {} | {dtype} | {} |", weights.name(), input.name());
        if args.only.as_ref().is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let arguments = arguments(&release, weights, dtype, input)?;
        let predicted = predicted(&release, &arguments, args.threads)?;
        let measured = measured(&release, &arguments, args.threads)?;
        let ratio = predicted / measured;
        let line = format!("{name} {predicted:.1} | {measured:.1} | {ratio:.2} |");
        eprintln!("{line}");
        if !holds(predicted, measured) {
            misses.push(line.clone());
        }
        table += &format!("{line}\n");
    }
    println!("{table}");
    if args.write {
        replace_between_marks(&shell::root().join("docs/performance.md"), "memory", &table)?;
    }
    ensure!(
        misses.is_empty(),
        "expected a ratio from 1 to {MAX_RATIO}, or to {MAX_SMALL_RATIO} below 100 MB, found:\n{}",
        misses.join("\n")
    );
    Ok(())
}

/// Whether a prediction keeps the promise of docs/performance.md.
fn holds(predicted: f64, measured: f64) -> bool {
    let max = if measured < SMALL_MIB {
        MAX_SMALL_RATIO
    } else {
        MAX_RATIO
    };
    (1.0..=max).contains(&(predicted / measured))
}

impl Weights {
    fn name(self) -> String {
        match self {
            Preset(name) => name.into(),
            FirstBlocks(count) => format!("its first {count} blocks"),
        }
    }
}

impl Input {
    fn name(self) -> String {
        match self {
            Image => "336×336 (576 patches)".into(),
            EightImages => "8 of 336×336".into(),
            Scaled("1008x1008") => "1008×1008 (5,184)".into(),
            Scaled("2688x1792") => "2688×1792 (24,576)".into(),
            Scaled(size) => size.replace('x', "×"),
            Tiled(name, _, _) => name.into(),
            Video => "bigbuckbunny.mp4".into(),
        }
    }

    fn files(self, release: &Release) -> Result<Vec<PathBuf>> {
        Ok(match self {
            Image => vec![release::image()],
            EightImages => vec![release::image(); 8],
            Scaled(size) => vec![release.scaled(size)?],
            Tiled(_, file, arguments) => vec![release.made(file, "tile", arguments)?],
            Video => vec![shell::root().join("tests/videos/bigbuckbunny.mp4")],
        })
    }
}

/// The arguments that `plan` and `encode` have in common.
fn arguments(
    release: &Release,
    weights: Weights,
    dtype: &str,
    input: Input,
) -> Result<Vec<PathBuf>> {
    let mut arguments = input.files(release)?;
    arguments.extend(["--device", "flex", "--dtype", dtype].map(PathBuf::from));
    match weights {
        Preset(name) => arguments.extend(["--preset", name].map(PathBuf::from)),
        FirstBlocks(count) => {
            arguments.push("-m".into());
            arguments.push(release.first_blocks(PRESET, count)?);
        }
    }
    Ok(arguments)
}

/// The MiB that `glm4v plan` predicts.
fn predicted(release: &Release, arguments: &[PathBuf], threads: Option<usize>) -> Result<f64> {
    let mut command = release.program("glm4v");
    command.arg("plan").arg("--json").args(arguments);
    release::set_threads(&mut command, threads);
    let plan: Value = serde_json::from_str(&shell::output(&mut command)?)?;
    let bytes = plan["bytes"]["total"].as_f64();
    Ok(bytes.with_context(|| format!("expected bytes.total, found {plan}"))? / 1048576.0)
}

/// Adds the arguments of `glm4v encode`.
fn encode<'a>(
    command: &'a mut Command,
    release: &Release,
    arguments: &[PathBuf],
    threads: Option<usize>,
) -> &'a mut Command {
    command.args(["encode", "-q", "--no-packed-cache"]);
    let output = release.work.join("memory.safetensors");
    command.args(arguments).arg("-o").arg(output);
    release::set_threads(command, threads);
    command
}

/// The MiB that `glm4v encode` uses at most.
fn measured(release: &Release, arguments: &[PathBuf], threads: Option<usize>) -> Result<f64> {
    let mut command = release.program("glm4v");
    let usage = watch(encode(&mut command, release, arguments, threads))?;
    usage
        .peak_mib
        .context("this system does not tell the peak memory of a process (VmHWM in /proc)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_is_never_too_low_and_not_much_too_high() {
        assert!(!holds(99.0, 100.0));
        assert!(holds(100.0, 100.0) && holds(130.0, 100.0));
        assert!(!holds(131.0, 100.0));
        assert!(holds(140.0, 95.0) && !holds(143.0, 95.0));
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let names = ROWS.map(|(weights, dtype, input)| (weights.name(), dtype, input.name()));
        let mut sorted = names.to_vec();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), ROWS.len());
    }
}
