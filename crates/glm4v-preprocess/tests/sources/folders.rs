//! Folders of frames.

use std::fs;
use std::path::Path;

use crate::common::{open_video, open_with, read, refusal};
use glm4v_config::VideoProcessorConfig;
use glm4v_preprocess::{PreprocessError, ReadOptions, VideoMetadata};
use image::{ImageFormat, Rgb, RgbImage};

fn save(folder: &Path, name: &str, level: u8, width: u32) {
    let frame = RgbImage::from_pixel(width, 40, Rgb([level; 3]));
    frame
        .save_with_format(folder.join(name), ImageFormat::Png)
        .unwrap();
}

/// Frames 1 to 12, as bright as their number.
fn numbered() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for level in (1..=12).rev() {
        save(folder.path(), &format!("frame{level}.png"), level, 56);
    }
    folder
}

fn with_fps(fps: f64) -> ReadOptions {
    ReadOptions {
        source_fps: Some(fps),
        ..ReadOptions::default()
    }
}

#[test]
fn frames_are_in_natural_order_and_other_files_are_skipped() {
    let folder = numbered();
    fs::write(folder.path().join(".hidden"), "x").unwrap();
    let source = open_video(folder.path());
    assert_eq!(source.warnings(), [""; 0]);
    assert_eq!(source.size(), (40, 56));

    // Content decides: a text with the name of an image is skipped, an image with the name of a text is read.
    fs::write(folder.path().join("frame0.png"), "not an image").unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    save(folder.path(), "frame13.txt", 13, 56);
    let source = open_video(folder.path());
    assert_eq!(
        source.warnings(),
        ["2 skipped because they are not images: frame0.png, more"]
    );
    let indices: Vec<usize> = (0..13).collect();
    let frames = source.frames(&indices).unwrap();
    let levels: Vec<u8> = frames.map(|frame| frame.unwrap().as_raw()[0]).collect();
    assert_eq!(levels, (1..=13).collect::<Vec<u8>>());
}

#[test]
fn the_frame_rate_must_be_given_where_frames_are_sampled() {
    let folder = numbered();
    let mut config = VideoProcessorConfig::default();
    let read = |options: &ReadOptions, config| read(folder.path(), options, config);
    let message = read(&ReadOptions::default(), config.clone())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("source_fps") && message.contains("--source-fps"),
        "{message}"
    );
    assert!(
        message.starts_with(folder.path().to_str().unwrap()),
        "{message}"
    );
    config.sampling.do_sample_frames = false;
    let (_, all) = read(&ReadOptions::default(), config).unwrap();
    assert_eq!(all.indices.len(), 12);

    let source = open_with(folder.path(), &with_fps(4.0)).unwrap();
    assert_eq!(source.metadata(), &VideoMetadata::new(12, 4.0));
    let (_, frames) = read(&with_fps(4.0), VideoProcessorConfig::default()).unwrap();
    assert_eq!(frames.frame_timestamps()[1], frames.indices[1] as f64 / 4.0);
    for fps in [0.0, -1.0, f64::NAN] {
        let message = open_with(folder.path(), &with_fps(fps))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("positive number of frames a second"),
            "{message}"
        );
    }
}

#[test]
fn frames_that_are_not_requested_are_not_opened() {
    let folder = numbered();
    let whole = fs::read(folder.path().join("frame5.png")).unwrap();
    fs::write(folder.path().join("frame5.png"), &whole[..60]).unwrap();
    save(folder.path(), "frame7.png", 7, 57);
    let source = open_video(folder.path());
    assert_eq!(
        source.frames(&[0, 3, 5, 5, 11]).unwrap().flatten().count(),
        5
    );
    let message = |index| {
        let indices = [0, index];
        let error = source
            .frames(&indices)
            .unwrap()
            .last()
            .unwrap()
            .unwrap_err();
        error.to_string()
    };
    assert!(
        message(4).contains("frame5.png: the PNG image is damaged"),
        "{}",
        message(4)
    );
    assert!(
        message(6).ends_with("frame7.png: frame 6 (counted from 0) has 57×40 pixels and the first frame 56×40 pixels: all frames must have one size"),
        "{}",
        message(6)
    );
}

#[test]
fn a_folder_without_frames_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let message = refusal(folder.path()).to_string();
    assert!(
        message.contains("the folder contains no images"),
        "{message}"
    );
    let error = refusal(folder.path().join("absent"));
    assert!(matches!(error, PreprocessError::Io { .. }), "{error}");
}
