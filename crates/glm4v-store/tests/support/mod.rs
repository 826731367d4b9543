//! A small job that several tests read.

#![allow(dead_code, reason = "no test uses everything")]

use std::path::{Path, PathBuf};

use glm4v_store::{
    Encoded, GridThw, Job, OutputDtype, Pool, Record, Settings, ShardFormat, Split, VideoInfo,
};

/// Settings with shards of 20 inputs.
pub(crate) fn settings(
    format: ShardFormat,
    output_dtype: OutputDtype,
    pool: Pool,
    width: usize,
) -> Settings {
    Settings {
        version: "0.1.0".into(),
        model: "tiny \"quoted\"".into(),
        fingerprint: "f00d".into(),
        width,
        dtype: "f32".into(),
        kernels: "generic".into(),
        device: "cpu".into(),
        options: [("max_tokens".into(), 64.into())].into(),
        batch_limits: [("max_patches".into(), 1024.into())].into(),
        format,
        output_dtype,
        pool,
        shard_bytes: Settings::SHARD_BYTES,
        shard_inputs: 20,
        split: Split::WHOLE,
    }
}

/// What was stored of an input.
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    pub(crate) grid: GridThw,
    pub(crate) tokens: Vec<f32>,
    pub(crate) is_video: bool,
    pub(crate) error: Option<&'static str>,
}

pub(crate) const INDICES: [usize; 4] = [0, 5, 10, 15];
pub(crate) const TIMESTAMPS: [f64; 2] = [0.0, 0.4];

/// Number `input` of the test inputs: images, videos, failures, and one path that is not UTF-8.
pub(crate) fn stored(input: usize, width: usize) -> Stored {
    let count = 1 + input % 3;
    let mut tokens: Vec<f32> = (0..count * width)
        .map(|place| ((input * 31 + place * 7) % 101) as f32 / 8.0 - 6.0)
        .collect();
    if input == 2 {
        tokens[..3].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    }
    let is_video = input % 4 == 1;
    let t = if is_video { 2 } else { 1 };
    Stored {
        id: format!("id-{input}"),
        path: path(input),
        grid: GridThw::new(t, 2, 2 * count),
        tokens,
        is_video,
        error: (input % 5 == 3).then_some("not an image: ünknown format"),
    }
}

#[cfg(unix)]
fn path(input: usize) -> PathBuf {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    match input {
        4 => OsStr::from_bytes(b"dir/\xff.png").into(),
        _ => format!("dir/bild-ä-{input}.png").into(),
    }
}

#[cfg(not(unix))]
fn path(input: usize) -> PathBuf {
    format!("dir/bild-ä-{input}.png").into()
}

impl Stored {
    pub(crate) fn record(&self) -> Record<'_> {
        let video = VideoInfo {
            indices: &INDICES,
            timestamps: &TIMESTAMPS,
            fps: Some(25.0),
            duration: Some(0.64),
            total_frames: Some(16),
        };
        let encoded = Encoded {
            grid: self.grid,
            tokens: &self.tokens,
            video: self.is_video.then_some(video),
        };
        Record {
            id: &self.id,
            path: &self.path,
            sha256: self.is_video.then_some([0xab; 32]),
            outcome: self.error.map_or(Ok(encoded), Err),
        }
    }

    pub(crate) fn push(&self, job: &mut Job) {
        job.push(&self.record()).unwrap();
    }
}

/// Runs a job of `count` test inputs in `dir`.
pub(crate) fn run(dir: &Path, settings: &Settings, count: usize) {
    let mut job = Job::open(dir, settings, (0..count).map(Ok)).unwrap();
    for input in 0..count {
        stored(input, settings.width).push(&mut job);
        job.end_batch().unwrap();
    }
    job.finish().unwrap();
}
