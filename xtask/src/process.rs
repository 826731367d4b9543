use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// A peak that lasts less is missed.
const POLL: Duration = Duration::from_millis(1);

/// What a process used.
pub(crate) struct Usage {
    pub(crate) seconds: f64,
    /// Most host memory at once, in MiB. Only Linux tells it.
    pub(crate) peak_mib: Option<f64>,
}

/// Runs a command without output, and watches it.
pub(crate) fn watch(command: &mut Command) -> Result<Usage> {
    let start = Instant::now();
    let mut process = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak = None;
    let status = loop {
        peak = peak_mib(process.id()).or(peak);
        if let Some(status) = process.try_wait()? {
            break status;
        }
        std::thread::sleep(POLL);
    };
    ensure!(status.success(), "{command:?}: {status}");
    Ok(Usage {
        seconds: start.elapsed().as_secs_f64(),
        peak_mib: peak,
    })
}

/// The most host memory that a process has used at once, in MiB. Only Linux tells it.
pub(crate) fn peak_mib(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
