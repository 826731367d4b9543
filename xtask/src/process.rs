use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// A peak that lasts less is missed.
const POLL: Duration = Duration::from_millis(1);

/// Linux counts processor time in these, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

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
    let status = wait(&mut process, POLL, |id| peak = peak_mib(id).or(peak))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(Usage {
        seconds: start.elapsed().as_secs_f64(),
        peak_mib: peak,
    })
}

/// Waits for the end of a process, and looks at it again and again until then.
pub(crate) fn wait(
    process: &mut Child,
    interval: Duration,
    mut look: impl FnMut(u32),
) -> Result<ExitStatus> {
    loop {
        look(process.id());
        if let Some(status) = process.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(interval);
    }
}

/// What a process uses at a moment. Only Linux tells it.
pub(crate) struct Resources {
    pub(crate) memory_mib: f64,
    pub(crate) open_files: f64,
    pub(crate) threads: f64,
}

/// What a process uses now. `None` after its end.
pub(crate) fn resources(process: u32) -> Option<Resources> {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    Some(Resources {
        memory_mib: status(process, "VmRSS")? / 1024.0,
        open_files: files.count() as f64,
        threads: status(process, "Threads")?,
    })
}

/// The most host memory that a process has used at once, in MiB. Only Linux tells it.
pub(crate) fn peak_mib(process: u32) -> Option<f64> {
    Some(status(process, "VmHWM")? / 1024.0)
}

/// The processor time that a process has used, in seconds. Only Linux tells it.
pub(crate) fn processor_seconds(process: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before the parenthesis may have spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|field| field.parse::<u64>().ok());
    Some(ticks.sum::<Option<u64>>()? as f64 / TICKS_PER_SECOND)
}

/// A number of `/proc/PID/status`. Sizes are in KiB.
fn status(process: u32, name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
