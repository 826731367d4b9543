//! A job and the Python iterator run for half an hour each: memory, open files and threads must not grow.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::collection::{Collection, CollectionArgs};
use crate::process::{Resources, resources};
use crate::{shell, wheel};

/// Arguments of `soak`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Minutes of each
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Run only one
    #[arg(long, value_name = "WHAT")]
    only: Option<Load>,
    /// A Python that has the package glm4v [default: build the package, and install it]
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    #[command(flatten)]
    collection: CollectionArgs,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Load {
    /// `glm4v encode` of a table with a million rows, until the time is over
    Job,
    /// `VisionEncoder.encode_iter` in one Python process
    Python,
}

const IMAGES: u32 = 20_000;
/// Rows of the job's table for each minute. So many small images are encoded by no two cores.
const ROWS: f64 = 60_000.0;
/// How often the process is looked at.
const POLL: Duration = Duration::from_secs(1);
/// This part of the samples, at the start, is left out: until caches and allocators have settled.
const WARM_UP: f64 = 0.2;
/// Memory settles in the first minutes.
const FEWEST_MINUTES: f64 = 5.0;

/// The most that each may grow from the end of the warm-up to the end.
const LIMITS: [Limit; 3] = [
    Limit {
        name: "memory in MiB",
        value: |used| used.memory_mib,
        growth: |mean| 0.05 * mean,
    },
    Limit {
        name: "open files",
        value: |used| used.open_files,
        growth: |_| 1.0,
    },
    Limit {
        name: "threads",
        value: |used| used.threads,
        growth: |_| 1.0,
    },
];

struct Limit {
    name: &'static str,
    value: fn(&Resources) -> f64,
    /// The largest growth, from the mean.
    growth: fn(f64) -> f64,
}

/// Runs both, and fails if one of them grows.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "only Linux tells what a process uses"
    );
    ensure!(
        args.minutes >= FEWEST_MINUTES,
        "--minutes must be at least {FEWEST_MINUTES}, because memory settles in the first minutes"
    );
    let collection = args.collection.open()?;
    let images = collection.images(IMAGES)?.folder;
    for load in [Load::Job, Load::Python] {
        if args.only.is_none_or(|only| only == load) {
            let (name, samples) = match load {
                Load::Job => ("job", job(&collection, &images, args.minutes)?),
                Load::Python => ("Python", python(args, &collection, &images)?),
            };
            write_samples(&collection.work.join(format!("{name}.csv")), &samples)?;
            println!("{}", report(name, args.minutes, &samples)?);
        }
    }
    Ok(())
}

/// A job of more inputs than can be encoded. It is interrupted when the time is over.
fn job(collection: &Collection, images: &Path, minutes: f64) -> Result<Vec<Resources>> {
    let [table, output] = ["soak.csv", "soak"].map(|name| collection.work.join(name));
    write_table(&table, images, (ROWS * minutes) as usize)?;
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    let mut command = collection.program("glm4v");
    command.args(["encode", "-q", "--preset", "small", "--device", "flex"]);
    command.args(["--output-dtype", "f16", "--on-error", "skip", "--manifest"]);
    command.arg(&table).arg("-o").arg(output.join(""));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    eprintln!("$ {command:?}");
    let mut child = command.spawn()?;
    let samples = watch(&mut child, Some(minutes))?;
    ensure!(
        child.try_wait()?.is_none(),
        "the job ended before its time: {}",
        child.wait()?
    );
    shell::run(Command::new("kill").args(["-INT", &child.id().to_string()]))?;
    let status = child.wait()?;
    // 128 + SIGINT
    ensure!(status.code() == Some(130), "the interrupted job: {status}");
    fs::remove_dir_all(&output)?;
    Ok(samples)
}

/// The images again and again, with an ID for each row.
fn write_table(table: &Path, images: &Path, rows: usize) -> Result<()> {
    let mut paths = Vec::new();
    for folder in fs::read_dir(images)? {
        for file in fs::read_dir(folder?.path())? {
            paths.push(file?.path());
        }
    }
    let mut text = String::from("id,path\n");
    for (row, path) in paths.iter().cycle().take(rows).enumerate() {
        writeln!(text, "{row},{}", path.display())?;
    }
    fs::write(table, text).with_context(|| table.display().to_string())
}

/// One encoder, and one iterator after another.
fn python(args: &Args, collection: &Collection, images: &Path) -> Result<Vec<Resources>> {
    let model = collection.work.join("tiny");
    if !model.exists() {
        let mut init = collection.program("glm4v");
        shell::run(init.args(["init", "--preset", "tiny", "-o"]).arg(&model))?;
    }
    let mut command = match &args.python {
        Some(python) => Command::new(python),
        None => wheel::python()?,
    };
    command.arg(shell::root().join("tests/soak/iterate.py"));
    command
        .arg(&model)
        .arg(images)
        .arg(args.minutes.to_string());
    eprintln!("$ {command:?}");
    let mut child = command.spawn()?;
    let samples = watch(&mut child, None)?;
    let status = child.wait()?;
    ensure!(status.success(), "the Python iterator: {status}");
    Ok(samples)
}

/// What a process uses, until it ends or the time is over.
fn watch(child: &mut Child, minutes: Option<f64>) -> Result<Vec<Resources>> {
    let (start, mut samples) = (Instant::now(), Vec::new());
    while child.try_wait()?.is_none() {
        if minutes.is_some_and(|minutes| start.elapsed().as_secs_f64() >= 60.0 * minutes) {
            break;
        }
        // A process that has just ended uses nothing.
        samples.extend(resources(child.id()));
        thread::sleep(POLL);
    }
    Ok(samples)
}

fn write_samples(file: &Path, samples: &[Resources]) -> Result<()> {
    let mut text: String = LIMITS.each_ref().map(|limit| limit.name).join(",");
    for sample in samples {
        let values = LIMITS.each_ref().map(|limit| (limit.value)(sample));
        write!(
            text,
            "\n{}",
            values.map(|value| value.to_string()).join(",")
        )?;
    }
    eprintln!("a sample for each second: {}", file.display());
    fs::write(file, text).with_context(|| file.display().to_string())
}

/// A table of means and growths. Fails if one of them grows too much.
fn report(name: &str, minutes: f64, samples: &[Resources]) -> Result<String> {
    let settled = &samples[(WARM_UP * samples.len() as f64) as usize..];
    let (mut table, mut grown) = (String::new(), Vec::new());
    writeln!(
        table,
        "| {name}, {minutes} minutes | mean | growth | limit |"
    )?;
    writeln!(table, "|---|---:|---:|---:|")?;
    for limit in &LIMITS {
        let values: Vec<f64> = settled.iter().map(limit.value).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let (growth, most) = (growth(&values), (limit.growth)(mean));
        let name = limit.name;
        writeln!(table, "| {name} | {mean:.1} | {growth:+.2} | {most:.2} |")?;
        if growth > most {
            grown.push(name);
        }
    }
    if !grown.is_empty() {
        bail!("{} grew:\n{table}", grown.join(" and "));
    }
    Ok(table)
}

/// How much values grow from the first to the last, on the line with the least squares.
fn growth(values: &[f64]) -> f64 {
    let middle = (values.len() - 1) as f64 / 2.0;
    let (mut products, mut squares) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate() {
        let offset = index as f64 - middle;
        products += offset * value;
        squares += offset * offset;
    }
    products / squares * (values.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(grow: fn(f64) -> Resources) -> Vec<Resources> {
        (0..100).map(|index| grow(f64::from(index))).collect()
    }

    const STEADY: Resources = Resources {
        memory_mib: 100.0,
        open_files: 20.0,
        threads: 4.0,
    };

    #[test]
    fn the_growth_is_that_of_a_line() {
        let line: Vec<_> = (0..11).map(|index| 3.0 + 0.5 * f64::from(index)).collect();
        assert!((growth(&line) - 5.0).abs() < 1e-9);
        assert_eq!(growth(&[7.0; 40]), 0.0);
    }

    #[test]
    fn what_grows_is_named() {
        // The start does not count, and a zigzag is no growth.
        let steady = samples(|index| Resources {
            memory_mib: if index < 15.0 {
                50.0
            } else {
                100.0 + index % 2.0
            },
            open_files: 20.0 + index % 3.0,
            ..STEADY
        });
        report("job", 30.0, &steady).unwrap();
        for (grow, name) in [
            (
                (|index| Resources {
                    memory_mib: 100.0 + 0.1 * index,
                    ..STEADY
                }) as fn(f64) -> Resources,
                "memory in MiB grew",
            ),
            (
                |index| Resources {
                    open_files: 20.0 + (index / 20.0).floor(),
                    ..STEADY
                },
                "open files grew",
            ),
            (
                |index| Resources {
                    threads: 4.0 + (index / 40.0).floor(),
                    ..STEADY
                },
                "threads grew",
            ),
        ] {
            let error = report("job", 30.0, &samples(grow)).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
