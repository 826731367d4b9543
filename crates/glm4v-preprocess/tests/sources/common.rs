//! What the tests of clips share.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use glm4v_preprocess::{ClipSource, Media, MediaOptions, PreprocessError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What the reference reads from a clip (`tests/media/make.py`).
#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) num_frames: Option<usize>,
    pub(crate) fps: Option<f64>,
    pub(crate) duration: Option<f64>,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) crc32: Vec<u32>,
}

pub(crate) fn media(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/media")
        .join(name)
}

pub(crate) fn golden<T: DeserializeOwned>() -> T {
    let text = std::fs::read_to_string(media("media.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn clip(path: impl AsRef<Path>) -> ClipSource {
    match Media::open(path, &MediaOptions::default()).unwrap() {
        Media::Clip(source) => source,
        Media::Still(_) => panic!("a still"),
    }
}

pub(crate) fn refusal(path: impl AsRef<Path>) -> PreprocessError {
    Media::open(path, &MediaOptions::default()).unwrap_err()
}

/// The checksums of the frames at `indices`.
pub(crate) fn checksums(source: &ClipSource, indices: &[usize]) -> Vec<u32> {
    let frames = source.frames(indices).unwrap();
    frames
        .map(|frame| {
            let frame = frame.unwrap();
            let size = (frame.height() as usize, frame.width() as usize);
            assert_eq!(size, source.size());
            crc32fast::hash(frame.as_raw())
        })
        .collect()
}

pub(crate) fn all_checksums(source: &ClipSource) -> Vec<u32> {
    let indices: Vec<usize> = (0..source.info().num_frames).collect();
    checksums(source, &indices)
}

/// Indices in order, some of them twice, scattered by a generator of no ambition.
pub(crate) fn scattered(seed: u64, below: usize, count: usize) -> Vec<usize> {
    let mut state = seed;
    let mut indices: Vec<usize> = (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        })
        .collect();
    indices.sort_unstable();
    indices
}

/// Whether a test of video files can run; it says so where it cannot.
pub(crate) fn has_ffmpeg() -> bool {
    let there = |program| {
        let mut command = Command::new(program);
        command.arg("-version").stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let both = there("ffmpeg") && there("ffprobe");
    if !both {
        eprintln!("SKIPPED: no ffmpeg");
    }
    both
}

/// Makes a clip; `false` where this ffmpeg lacks the encoder.
pub(crate) fn ffmpeg(args: &[&str], output: &Path) -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(args);
    let made = command.arg(output).status().unwrap().success();
    if !made {
        eprintln!("SKIPPED: this ffmpeg cannot make {}", output.display());
    }
    made
}
