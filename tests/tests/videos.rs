//! Compares video files with the frames of PyAV and the rows of the reference (`tests/golden/file_cases.py`).

use std::collections::BTreeMap;

use glm4v::config::VideoProcessorConfig;
use glm4v::preprocess::{SampledFrames, Source};
use glm4v::{GridThw, Patches, Preset, Processor};
use glm4v_tests::{golden_dir, no_video_decoder, open_video, video_path};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Videos {
    files: BTreeMap<String, Decoded>,
    options: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Decoded {
    num_frames: usize,
    fps: String,
    duration: String,
    height: u32,
    width: u32,
    crc32_frames: Vec<u32>,
}

#[derive(Deserialize)]
struct Case {
    video: String,
    rule: String,
    options: String,
    grid_thw: GridThw,
    frames_indices: Vec<usize>,
    timestamps: Vec<String>,
    crc32_u8: u32,
    crc32_f32: u32,
}

/// The goldens. `None` if videos cannot be decoded here.
fn videos() -> Option<Videos> {
    let text = std::fs::read_to_string(golden_dir().join("videos.json")).unwrap();
    let videos: Videos = serde_json::from_str(&text).unwrap();
    let (name, _) = videos.files.first_key_value().unwrap();
    if let Some(reason) = no_video_decoder(&video_path(name)) {
        eprintln!("SKIPPED videos: {reason}");
        return None;
    }
    Some(videos)
}

fn checksum<const N: usize>(values: impl Iterator<Item = [u8; N]>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut values = values.peekable();
    while values.peek().is_some() {
        // The rows of a large video fill hundreds of MB. Not all of their bytes are in memory at once.
        let bytes: Vec<u8> = values.by_ref().take(1 << 16).flatten().collect();
        hasher.update(&bytes);
    }
    hasher.finalize()
}

#[test]
fn every_frame_is_pyavs() {
    let Some(Videos { files, .. }) = videos() else {
        return;
    };
    assert!(files.len() >= 2, "videos are missing");
    for (name, expected) in files {
        let video = open_video(&video_path(&name)).unwrap();
        let info = video.metadata();
        assert_eq!(info.num_frames, expected.num_frames, "{name}");
        assert_eq!(info.fps, expected.fps.parse().ok(), "{name}");
        assert_eq!(info.duration, expected.duration.parse().ok(), "{name}");
        let all: Vec<usize> = (0..info.num_frames).collect();
        let mut found = Vec::new();
        for frame in video.frames(&all).unwrap() {
            let frame = frame.unwrap();
            assert_eq!(frame.dimensions(), (expected.width, expected.height));
            found.push(crc32fast::hash(frame.as_raw()));
        }
        assert_eq!(found, expected.crc32_frames, "{name}");
    }
}

/// Reads a video as the pipeline does.
fn read_video(config: VideoProcessorConfig, video: &str) -> (Patches, SampledFrames) {
    let mut image = Preset::Tiny.image_processor();
    image.patch_size = config.frames.patch_size;
    image.temporal_patch_size = config.frames.temporal_patch_size;
    image.merge_size = config.frames.merge_size;
    let processor = Processor::new(image, config).unwrap();
    let video = open_video(&video_path(video)).unwrap();
    let video = processor.probe(Source::Video(video)).unwrap();
    let frames = video.frames.clone().unwrap();
    let (patches, errors) = processor.read_batch(&[video]);
    assert!(errors[0].is_none(), "{errors:?}");
    (patches, frames)
}

fn check_case(case: &Case, options: &Value) {
    let what = format!("{}, {}, {}", case.video, case.rule, case.options);
    let read = |levels: bool| {
        let mut options = options.clone();
        options["video_processor_type"] = json!(case.rule);
        if levels {
            options["do_rescale"] = json!(false);
            options["do_normalize"] = json!(false);
        }
        let config = VideoProcessorConfig::from_json(&options.to_string()).unwrap();
        read_video(config, &case.video)
    };
    let (patches, frames) = read(false);
    assert_eq!(patches.grids(), [case.grid_thw], "{what}");
    assert_eq!(frames.indices, case.frames_indices, "{what}");
    let timestamps = case.timestamps.iter().map(|text| text.parse().unwrap());
    assert_eq!(
        frames.timestamps,
        timestamps.collect::<Vec<f64>>(),
        "{what}"
    );
    let values = patches.pixel_values();
    let values = checksum(values.iter().map(|value| value.to_le_bytes()));
    assert_eq!(values, case.crc32_f32, "{what}: values");
    drop(patches);
    let (levels, _) = read(true);
    let levels = levels.pixel_values();
    let levels = checksum(levels.iter().map(|&level| [level as u8]));
    assert_eq!(levels, case.crc32_u8, "{what}: levels");
}

#[test]
fn every_video_gives_the_references_rows_bit_for_bit() {
    let Some(Videos { options, cases, .. }) = videos() else {
        return;
    };
    assert!(cases.len() >= 16, "cases are missing");
    for case in &cases {
        check_case(case, &options[&case.options]);
    }
}
