use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::Bench;
use super::table::{Peak, Row};
use crate::process::{Usage, watch};
use crate::{python, release};

/// Times whole processes, from start to saved file. The two sides take turns.
pub(super) fn whole_process(
    bench: &Bench<'_>,
    dtype: &str,
    (size, image): &(String, PathBuf),
) -> Result<Row> {
    let mut row = Row::new(dtype, size, None, "whole process");
    for round in 0..=bench.args.repeat {
        let ours = watch(&mut our_process(bench, dtype, image))?;
        let theirs = match bench.has_reference() {
            true => Some(watch(&mut reference(bench, dtype, image)?)?),
            false => None,
        };
        if round > 0 {
            row.add(ours.seconds, theirs.as_ref().map(|usage| usage.seconds));
            row.peaks = (peak(&ours), theirs.as_ref().map(peak));
        }
    }
    eprintln!("{}", row.line());
    Ok(row)
}

fn our_process(bench: &Bench<'_>, dtype: &str, image: &Path) -> Command {
    let mut command = bench.release.program("glm4v");
    command.arg("encode").arg(image);
    command.arg("-m").arg(bench.checkpoint);
    command.args(["--dtype", dtype, "--device", &bench.args.device]);
    command.args(["--attention-method", &bench.args.attention]);
    let output = bench.release.work.join("ours.safetensors");
    command.arg("-o").arg(output);
    release::set_threads(&mut command, bench.args.threads);
    command
}

fn reference(bench: &Bench<'_>, dtype: &str, image: &Path) -> Result<Command> {
    let mut command = python::reference()?;
    command.arg("run").arg(bench.checkpoint).arg(image);
    command.args(["--dtype", dtype, "--repeat", "0", "--no-stages"]);
    command.args(["--device", bench.args.reference_device()]);
    if let Some(threads) = bench.args.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    let output = bench.release.work.join("theirs.safetensors");
    command.arg("-o").arg(output);
    Ok(command)
}

fn peak(usage: &Usage) -> Peak {
    Peak {
        host: usage.peak_mib,
        gpu: None,
    }
}
