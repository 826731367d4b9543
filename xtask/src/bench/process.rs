use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Bench;
use super::table::{Peak, Row};
use crate::python;

/// Often enough for a peak that lasts.
const LOOK: Duration = Duration::from_millis(10);

/// The whole process, from start to saved file, both sides in turn.
pub(super) fn whole_process(
    bench: &Bench<'_>,
    dtype: &str,
    (size, photo): &(String, PathBuf),
) -> Result<Row> {
    let mut row = Row::new(dtype, size, None, "whole process");
    for round in 0..=bench.args.repeat {
        let mut command = Command::new(bench.release.join("glm4v"));
        command
            .arg("encode")
            .arg(photo)
            .arg("-m")
            .arg(bench.checkpoint);
        command.args(["--dtype", dtype, "--device", &bench.args.device]);
        command.args(["--attention-method", &bench.args.attention]);
        command.arg("-o").arg(bench.work.join("ours.safetensors"));
        bench.with_threads(&mut command);
        let (own, own_peak) = watch(&mut command)?;
        let other = match bench.has_reference() {
            true => Some(watch(&mut reference(bench, dtype, photo)?)?),
            false => None,
        };
        if round > 0 {
            row.add(own, other.map(|(seconds, _)| seconds));
            row.peaks = (own_peak, other.map(|(_, peak)| peak));
        }
    }
    eprintln!("{}", row.line());
    Ok(row)
}

fn reference(bench: &Bench<'_>, dtype: &str, photo: &Path) -> Result<Command> {
    let mut command = python::reference()?;
    command.arg("run").arg(bench.checkpoint).arg(photo);
    command.args(["--dtype", dtype, "--repeat", "0", "--no-stages"]);
    command.args(["--device", bench.args.reference_device()]);
    if let Some(threads) = bench.args.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    command.arg("-o").arg(bench.work.join("theirs.safetensors"));
    Ok(command)
}

/// Seconds of a process, and its peak of the host's memory, where it can be told.
fn watch(command: &mut Command) -> Result<(f64, Peak)> {
    let start = Instant::now();
    let mut process = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut host = None;
    let status = loop {
        host = peak_mib(process.id()).or(host);
        if let Some(status) = process.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    ensure!(status.success(), "{command:?}: {status}");
    Ok((start.elapsed().as_secs_f64(), Peak { host, gpu: None }))
}

fn peak_mib(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
