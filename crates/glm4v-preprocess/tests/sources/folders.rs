//! Folders of frames.

use std::fs;
use std::path::Path;

use crate::common::{clip, refusal};
use glm4v_config::VideoProcessorConfig;
use glm4v_preprocess::{ClipInfo, Media, MediaOptions, PreprocessError, VideoProcessor};
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

fn with_fps(path: &Path, fps: f64) -> Result<Media, PreprocessError> {
    let options = MediaOptions {
        source_fps: Some(fps),
        ..MediaOptions::default()
    };
    Media::open(path, &options)
}

#[test]
fn frames_are_in_natural_order_and_what_is_no_picture_is_left_out() {
    let folder = numbered();
    fs::write(folder.path().join(".hidden"), "x").unwrap();
    let source = clip(folder.path());
    assert_eq!(source.warnings(), [""; 0]);
    assert_eq!(source.size(), (40, 56));

    // By content: a text named like a picture is none, a picture named like a text is one.
    fs::write(folder.path().join("frame0.png"), "not a picture").unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    save(folder.path(), "frame13.txt", 13, 56);
    let source = clip(folder.path());
    assert_eq!(
        source.warnings(),
        ["2 left out, as no picture that is read: frame0.png, more"]
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
    let source = clip(folder.path());
    let read = |config| VideoProcessor::new(config).read(&source);
    let message = read(config.clone()).unwrap_err().to_string();
    assert!(
        message.contains("source_fps") && message.contains("--source-fps"),
        "{message}"
    );
    assert!(
        message.starts_with(folder.path().to_str().unwrap()),
        "{message}"
    );
    config.sampling.do_sample_frames = false;
    assert_eq!(read(config).unwrap().frames_indices.len(), 12);

    let Media::Clip(source) = with_fps(folder.path(), 4.0).unwrap() else {
        panic!("a still");
    };
    assert_eq!(source.info(), &ClipInfo::new(12, 4.0));
    let processor = VideoProcessor::new(VideoProcessorConfig::default());
    let clip = processor.read(&source).unwrap();
    assert_eq!(
        clip.frame_timestamps[1],
        clip.frames_indices[1] as f64 / 4.0
    );
    for fps in [0.0, -1.0, f64::NAN] {
        let message = with_fps(folder.path(), fps).unwrap_err().to_string();
        assert!(
            message.contains("positive number of frames a second"),
            "{message}"
        );
    }
}

#[test]
fn frames_that_are_not_asked_for_are_not_opened() {
    let folder = numbered();
    let whole = fs::read(folder.path().join("frame5.png")).unwrap();
    fs::write(folder.path().join("frame5.png"), &whole[..60]).unwrap();
    save(folder.path(), "frame7.png", 7, 57);
    let source = clip(folder.path());
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
        message(4).contains("frame5.png: expected a whole PNG"),
        "{}",
        message(4)
    );
    assert!(
        message(6).ends_with("frame7.png: expected frames of 56×40 pixels, as the first, found 57×40 pixels in frame 6, counted from 0"),
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
        message.ends_with("expected a folder of pictures (the frames of a clip), found none in it")
    );
    let error = refusal(folder.path().join("absent"));
    assert!(matches!(error, PreprocessError::Io { .. }), "{error}");
}
