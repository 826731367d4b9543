//! Video files whose frame i is not the frame of packet i, against torchcodec (`tests/media/packets.py`).

use std::collections::BTreeMap;

use glm4v_config::{SamplingRule, VideoProcessorConfig};
use glm4v_preprocess::{VideoMetadata, VideoSource, sample_frames};
use serde::Deserialize;

use crate::common::{checksums, has_ffmpeg, media, open_video};

#[derive(Deserialize)]
struct Video {
    num_frames: usize,
    height: usize,
    width: usize,
    /// Absent where torchcodec's values make no sense, because packets have no time.
    fps: Option<String>,
    duration: Option<String>,
    /// The frame of each packet by time alone.
    by_time: Vec<u32>,
    /// How many packets have no frame of their own.
    replaced: usize,
    rules: Vec<Rows>,
}

#[derive(Deserialize)]
struct Rows {
    rule: SamplingRule,
    fps: Option<f64>,
    indices: Vec<usize>,
    /// `None` where torchcodec fails.
    crc32: Option<Vec<u32>>,
}

fn videos() -> BTreeMap<String, Video> {
    let text = std::fs::read_to_string(media("packets.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn open(name: &str) -> VideoSource {
    open_video(media("packets").join(name))
}

/// Versions of ffmpeg guess the missing times of packets in MPEG-PS in several ways.
fn is_guessed(name: &str, video: &Video, source: &VideoSource) -> bool {
    let is_other = name.ends_with(".mpg") && source.metadata().fps != number(&video.fps);
    if is_other {
        eprintln!("SKIPPED: this ffmpeg guesses other times in {name}");
    }
    is_other
}

fn number(text: &Option<String>) -> Option<f64> {
    text.as_ref().map(|text| text.parse().unwrap())
}

#[test]
fn every_row_of_every_rule_is_torchcodecs() {
    if !has_ffmpeg() {
        return;
    }
    let mut compared = 0;
    for (name, video) in videos() {
        let source = open(&name);
        if is_guessed(&name, &video, &source) {
            continue;
        }
        let size = (video.height, video.width);
        assert_eq!(source.size(), size, "{name}");
        assert_eq!(source.warnings(), [""; 0], "{name}");
        if video.fps.is_some() {
            let metadata = VideoMetadata {
                num_frames: video.num_frames,
                fps: number(&video.fps),
                duration: number(&video.duration),
                frame_times: None,
            };
            assert_eq!(source.metadata(), &metadata, "{name}");
        }
        // Rules can sample the same frames.
        let mut read = BTreeMap::new();
        for rows in &video.rules {
            let mut config = VideoProcessorConfig::default_of(rows.rule.into());
            config.sampling.fps = rows.fps.unwrap_or(config.sampling.fps);
            let indices = sample_frames(&config, source.metadata()).unwrap();
            assert_eq!(indices, rows.indices, "{name}");
            let by_time = || indices.iter().map(|&index| video.by_time[index]).collect();
            let expected = rows.crc32.clone().unwrap_or_else(by_time);
            let read = read.entry(indices.clone());
            let found = read.or_insert_with(|| checksums(&source, &indices));
            assert_eq!(*found, expected, "{name}, {:?} {:?}", rows.rule, rows.fps);
            compared += found.len();
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// torchcodec fails where all packets are read, if one has no frame.
#[test]
fn frames_that_stand_in_are_counted_in_one_warning() {
    if !has_ffmpeg() {
        return;
    }
    let videos = videos().into_iter();
    for (name, video) in videos.filter(|(_, video)| video.replaced > 0) {
        let source = open(&name);
        if is_guessed(&name, &video, &source) {
            continue;
        }
        let all: Vec<usize> = (0..video.num_frames).collect();
        assert_eq!(checksums(&source, &all), video.by_time, "{name}");
        let count = format!("{} of {} sampled frames ", video.replaced, video.num_frames);
        let warnings = source.warnings();
        let [warning] = warnings.as_slice() else {
            panic!("{name}: {warnings:?}");
        };
        assert!(warning.starts_with(&count), "{name}: {warning}");
    }
}
