//! What one run of ffmpeg or ffprobe may use.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Child;

use crate::ReadOptions;

/// Seconds for any file, and for each megabyte of it. The slowest videos that we know take a twentieth.
const SECONDS: u64 = 600;
const SECONDS_PER_MB: u64 = 60;

/// The limits of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunLimits {
    /// Seconds of processor time of all threads.
    pub(super) seconds: u64,
    /// Bytes of memory.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    bytes: u64,
}

impl RunLimits {
    /// The limits for the file at `path`.
    pub(super) fn new(path: &Path, options: &ReadOptions) -> Self {
        let megabytes = fs::metadata(path).map_or(0, |file| file.len() / 1_000_000);
        let usual = SECONDS.saturating_add(megabytes.saturating_mul(SECONDS_PER_MB));
        Self {
            seconds: options.max_program_seconds.unwrap_or(usual),
            bytes: options.max_program_bytes,
        }
    }

    /// Sets the limits of a program that has just started.
    #[cfg(target_os = "linux")]
    pub(super) fn apply(self, child: &Child) -> io::Result<()> {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        for (resource, limit) in [(Resource::Cpu, self.seconds), (Resource::Data, self.bytes)] {
            // Nobody may raise a limit that was inherited.
            let inherited = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let limit = Some(limit.min(inherited));
            // At the first of both limits ffmpeg would end as if the video ended there.
            let limits = Rlimit {
                current: limit,
                maximum: limit,
            };
            prlimit(Some(Pid::from_child(child)), resource, limits)?;
        }
        Ok(())
    }

    /// Other systems cannot limit another process.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn apply(self, _child: &Child) -> io::Result<()> {
        Ok(())
    }
}
