//! Random configurations and images: the plan beside the measured peak, and what happens where memory is limited.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::group::Group;
use super::{encode, measured, predicted};
use crate::release::Release;
use crate::shell;

/// The largest ratio of prediction and measurement. It is larger than that of real towers: widths that do not belong together
/// make stages large that are small in those.
const MAX_RATIO: f64 = 1.6;
/// The limits are between these parts of what is predicted.
const LIMITS: (f64, f64) = (0.5, 1.5);
/// Multiples of it are spread evenly over 0 to 1.
const GOLDEN_RATIO: f64 = 0.618_033_988_75;

/// How a limited process ended. Any other end is an error.
#[derive(Default)]
struct Ends {
    done: u32,
    refused: u32,
}

/// Measures the cases from `first` on. Fails if a prediction is too low or much too high, or if a process with limited memory
/// is killed.
pub(super) fn run(release: &Release, first: u32, count: u32, threads: Option<usize>) -> Result<()> {
    let group = Group::create();
    if let Err(error) = &group {
        eprintln!("SKIPPED limited memory: no control group can be made: {error:#}");
    }
    let (mut ratios, mut misses) = (Vec::new(), Vec::new());
    let (mut with_option, mut without) = (Ends::default(), Ends::default());
    for number in first..first + count {
        let arguments = case(release, number)?;
        let predicted = predicted(release, &arguments, threads)?;
        let measured = measured(release, &arguments, threads)?;
        let line = format!(
            "case {number}: predicted {predicted:.1} MiB, measured {measured:.1} MiB, ratio {:.2}",
            predicted / measured
        );
        eprintln!("{line}");
        ratios.push(predicted / measured);
        if !(1.0..=MAX_RATIO).contains(&(predicted / measured)) {
            misses.push(line);
        }
        let Ok(group) = &group else {
            continue;
        };
        let part = f64::from(number) * GOLDEN_RATIO % 1.0;
        let limit = predicted * (LIMITS.0 + part * (LIMITS.1 - LIMITS.0));
        let limit = (limit * 1048576.0) as u64;
        for (ends, option) in [(&mut with_option, Some(limit)), (&mut without, None)] {
            group.set(limit)?;
            let mut command = group.command(release.programs.join("glm4v"));
            encode(&mut command, release, &arguments, threads);
            if let Some(bytes) = option {
                command.args(["--max-memory", &format!("{bytes}B")]);
            }
            if let Err(error) = ends.count(&mut command) {
                misses.push(format!("case {number}, with {limit} bytes: {error:#}"));
            }
        }
    }
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    let median = ratios[ratios.len() / 2];
    println!("{count} cases: predicted / measured is {least:.2} to {most:.2}, median {median:.2}");
    for (ends, name) in [
        (with_option, "with --max-memory"),
        (without, "without --max-memory"),
    ] {
        let Ends { done, refused } = ends;
        println!("in a control group, {name}: {done} done, {refused} refused");
    }
    ensure!(
        misses.is_empty(),
        "{} misses:\n{}",
        misses.len(),
        misses.join("\n")
    );
    Ok(())
}

/// Makes a case, and returns the arguments that `plan` and `encode` have in common.
fn case(release: &Release, number: u32) -> Result<Vec<PathBuf>> {
    let folder = release.work.join("random-case");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut make = release.program("bench");
    make.args(["random-case", &number.to_string()]).arg(&folder);
    let case: Value = serde_json::from_str(&shell::output(&mut make)?)?;
    let text = |value: &Value| Some(PathBuf::from(value.as_str()?));
    let images = case["images"].as_array().map(Vec::as_slice);
    let images = images.unwrap_or_default().iter().map(text);
    let mut arguments: Vec<_> = images.collect::<Option<_>>().context("images")?;
    arguments.extend(["--device", "flex", "--dtype"].map(PathBuf::from));
    arguments.push(text(&case["dtype"]).context("a type")?);
    arguments.push("-m".into());
    arguments.push(text(&case["model"]).context("a model")?);
    Ok(arguments)
}

impl Ends {
    fn count(&mut self, command: &mut Command) -> Result<()> {
        let output = command.stdout(Stdio::null()).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => self.done += 1,
            Some(1) if errors.contains("needs at least") => self.refused += 1,
            _ => bail!("{}: {}", output.status, errors.trim_end()),
        }
        Ok(())
    }
}
