//! Helpers of the tests of videos.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use glm4v_config::{Preset, VideoProcessorConfig};
use glm4v_preprocess::{
    Patches, PreprocessError, Processor, ReadOptions, SampledFrames, Source, VideoSource,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) const TEST_PATTERN: &str = "testsrc2=s=98x62:r=25";

/// The reference's reading of a video (`tests/media/make.py`).
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
    std::path::absolute("tests/media").unwrap().join(name)
}

pub(crate) fn golden<T: DeserializeOwned>() -> T {
    let text = std::fs::read_to_string(media("media.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The video files, by name.
pub(crate) fn videos() -> BTreeMap<String, Expected> {
    #[derive(Deserialize)]
    struct Golden {
        videos: BTreeMap<String, Expected>,
    }
    golden::<Golden>().videos
}

pub(crate) fn open_video(path: impl AsRef<Path>) -> VideoSource {
    open_with(path, &ReadOptions::default()).unwrap()
}

pub(crate) fn open_with(
    path: impl AsRef<Path>,
    options: &ReadOptions,
) -> Result<VideoSource, PreprocessError> {
    match Source::open(path, options)? {
        Source::Video(video) => Ok(video),
        Source::Image(_) => panic!("an image"),
    }
}

pub(crate) fn refusal(path: impl AsRef<Path>) -> PreprocessError {
    Source::open(path, &ReadOptions::default()).unwrap_err()
}

/// The patch rows of a video, and its sampled frames.
pub(crate) fn read(
    path: impl AsRef<Path>,
    options: &ReadOptions,
    config: VideoProcessorConfig,
) -> Result<(Patches, SampledFrames), PreprocessError> {
    let processor = Processor::new(Preset::Glm41V9B.image_processor(), config)?;
    let input = processor.probe(Source::open(path, options)?)?;
    let (patches, mut errors) = processor.read_batch(std::slice::from_ref(&input));
    match errors.remove(0) {
        Some(error) => Err(error),
        None => Ok((patches, input.frames.expect("a video"))),
    }
}

/// The checksums of the frames at `indices`.
pub(crate) fn checksums(source: &VideoSource, indices: &[usize]) -> Vec<u32> {
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

pub(crate) fn all_checksums(source: &VideoSource) -> Vec<u32> {
    let indices: Vec<usize> = (0..source.metadata().num_frames).collect();
    checksums(source, &indices)
}

/// Pseudo-random indices in order. Some may stand twice.
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

/// Whether tests of video files can run. Prints a line where they cannot.
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

/// Makes a video; `false` where this ffmpeg lacks the encoder.
pub(crate) fn ffmpeg(args: &[&str], output: &Path) -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(args);
    let made = command.arg(output).status().unwrap().success();
    if !made {
        eprintln!("SKIPPED: this ffmpeg cannot make {}", output.display());
    }
    made
}
