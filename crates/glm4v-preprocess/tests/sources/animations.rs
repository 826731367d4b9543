//! Animated images against Pillow's frames and torchcodec's times, and damaged files.

use std::collections::BTreeMap;
use std::fs;

use crate::common::{
    Expected, all_checksums, checksums, golden, media, open_video, open_with, read,
};
use glm4v_config::VideoProcessorConfig;
use glm4v_preprocess::{ReadOptions, Source, open_image};
use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, RgbaImage};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    animations: BTreeMap<String, Expected>,
}

fn animations() -> BTreeMap<String, Expected> {
    golden::<Golden>().animations
}

#[test]
fn frames_and_times_equal_the_references() {
    let animations = animations();
    assert!(animations.len() >= 9);
    let mut faults = Vec::new();
    for (name, expected) in &animations {
        let source = open_video(media(name));
        assert_eq!(source.size(), (expected.height, expected.width), "{name}");
        assert_eq!(source.warnings(), [""; 0], "{name}");
        let metadata = source.metadata();
        let times = metadata.frame_times.as_ref().unwrap();
        assert_eq!(times.len(), metadata.num_frames, "{name}");
        assert_eq!(times[..3], [0.0, 0.05, 0.25], "{name}");
        // ffmpeg's clock of PNG ticks 100,000 times a second, and a frame's delay is cut to its ticks.
        let near = |own: Option<f64>, theirs: f64| (own.unwrap() / theirs - 1.0).abs() < 2e-5;
        for (own, theirs) in [
            (metadata.fps, expected.fps),
            (metadata.duration, expected.duration),
        ] {
            let near = theirs.is_none_or(|theirs| near(own, theirs));
            assert!(near, "{name}: {own:?}, expected {theirs:?}");
        }
        let found = all_checksums(&source);
        if found != expected.crc32 {
            faults.push(name);
        }
        let some = [1, 1, 4];
        assert_eq!(checksums(&source, &some), some.map(|index| found[index]));
    }
    assert!(faults.is_empty(), "other frames in {faults:?}");
}

#[test]
fn a_processor_gives_the_true_times() {
    let config = VideoProcessorConfig::default();
    let (_, frames) = read(media("plain.gif"), &ReadOptions::default(), config).unwrap();
    // A second or less at 2 frames a second is one frame, and 0.6 seconds of 4.6V's rule are three.
    assert_eq!(frames.indices[0], 0);
    let times = frames.metadata.frame_times.as_ref().unwrap();
    for (&index, time) in frames.indices.iter().zip(frames.frame_timestamps()) {
        assert_eq!(time, times[index]);
    }
}

#[test]
fn an_animation_can_be_read_as_an_image_and_an_image_is_no_video() {
    let options = ReadOptions {
        first_frame_only: true,
        ..ReadOptions::default()
    };
    for name in ["plain.gif", "hard-0.png", "lossy.webp"] {
        let Source::Image(image) = Source::open(media(name), &options).unwrap() else {
            panic!("{name} is a video");
        };
        let expected = open_image(media(name), &options.decode).unwrap();
        assert_eq!(*image.decode().unwrap(), expected);
    }
    let images = media("../../../../tests/images");
    for name in [
        "plain.gif",
        "gray.png",
        "lossy.webp",
        "rgb.bmp",
        "jpeg-420.jpg",
    ] {
        let source = Source::open(images.join(name), &ReadOptions::default()).unwrap();
        assert!(matches!(source, Source::Image(_)), "{name}");
    }
}

#[test]
fn a_given_frame_rate_replaces_the_times() {
    let options = ReadOptions {
        source_fps: Some(4.0),
        ..ReadOptions::default()
    };
    let source = open_with(media("plain.gif"), &options).unwrap();
    assert_eq!(source.metadata().frame_timestamps(&[0, 3]), [0.0, 0.75]);
}

/// Wherever a file is cut, the frames before the cut are read, or one clear error is given.
#[test]
fn the_whole_frames_of_a_file_that_is_cut_off_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, expected) in animations() {
        let whole = fs::read(media(&name)).unwrap();
        let path = folder.path().join(&name);
        let mut videos = 0;
        for length in (8..whole.len() - 24).step_by(211) {
            fs::write(&path, &whole[..length]).unwrap();
            match Source::open(&path, &ReadOptions::default()) {
                Ok(Source::Video(source)) => {
                    videos += 1;
                    let found = all_checksums(&source);
                    assert_eq!(found, expected.crc32[..found.len()], "{name}, {length}");
                    // A GIF that is cut between frames looks like one without an end mark.
                    let warned = source.warnings().len() == 1 || name.ends_with(".gif");
                    assert!(warned || found.len() == 6, "{name}, {length}");
                }
                Ok(Source::Image(_)) => {}
                Err(error) => assert!(error.to_string().contains(&name), "{error}"),
            }
        }
        assert!(videos > 10, "{name}: {videos}");
    }
}

/// Damage gives an error and nothing worse. Frames that are read have the size of the header.
#[test]
fn damage_neither_panics_nor_changes_the_size() {
    let folder = tempfile::tempdir().unwrap();
    for name in animations().keys() {
        let whole = fs::read(media(name)).unwrap();
        let path = folder.path().join(name);
        for offset in (0..whole.len()).step_by(17) {
            let mut damaged = whole.clone();
            damaged[offset] ^= 0xff;
            fs::write(&path, &damaged).unwrap();
            let Ok(Source::Video(source)) = Source::open(&path, &ReadOptions::default()) else {
                continue;
            };
            let indices: Vec<usize> = (0..source.metadata().num_frames).collect();
            let Ok(frames) = source.frames(&indices) else {
                continue;
            };
            for frame in frames.map_while(Result::ok) {
                let size = (frame.height() as usize, frame.width() as usize);
                assert_eq!(size, source.size(), "{name}, {offset}");
            }
        }
    }
}

#[test]
fn claimed_sizes_are_refused_by_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let patched = |name: &str, offset: usize, patch: &[u8]| {
        let mut bytes = fs::read(media(name)).unwrap();
        bytes[offset..offset + patch.len()].copy_from_slice(patch);
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Source::open(&path, &ReadOptions::default())
            .unwrap_err()
            .to_string()
    };
    for (name, offset, count) in [
        ("plain.gif", 6, 4),
        ("hard-0.png", 17, 4),
        // The bytes of its pixels are more than 64 bits can count.
        ("hard-0.png", 16, 8),
        ("lossy.webp", 24, 4),
    ] {
        let message = patched(name, offset, &[0xff; 8][..count]);
        assert!(
            message.ends_with("exceeds the limit of 178956970 pixels"),
            "{message}"
        );
    }
    // A frame may be larger than its canvas, but not larger than an image.
    let mut bytes = fs::read(media("plain.gif")).unwrap();
    let frame = bytes
        .windows(5)
        .rposition(|mark| mark == [0x2c, 0, 0, 0, 0]);
    let size = frame.unwrap() + 5;
    bytes[size..size + 4].copy_from_slice(&[0xff; 4]);
    let path = folder.path().join("frame.gif");
    fs::write(&path, bytes).unwrap();
    let source = open_video(path);
    let error = source.frames(&[5]).unwrap().next().unwrap().unwrap_err();
    let message = error.to_string();
    assert!(
        message.ends_with("a frame of 65535×65535 pixels exceeds the limit of 178956970 pixels"),
        "{message}"
    );
}

#[test]
fn a_hundred_thousand_frames_are_counted_at_once_and_read_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.gif");
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for level in 0..2 {
        let image = RgbaImage::from_pixel(64, 64, image::Rgba([level, 0, 0, 255]));
        let delay = Delay::from_numer_denom_ms(40, 1);
        encoder
            .encode_frame(Frame::from_parts(image, 0, 0, delay))
            .unwrap();
    }
    drop(encoder);
    let control = bytes
        .windows(4)
        .rposition(|mark| mark.starts_with(&[0x21, 0xf9, 4]))
        .unwrap();
    let last = bytes[control..bytes.len() - 1].to_vec();
    bytes.pop();
    for _ in 2..100_000 {
        bytes.extend(&last);
    }
    fs::write(&path, bytes).unwrap();
    let source = open_video(&path);
    assert_eq!(source.metadata().num_frames, 100_000);
    assert_eq!(
        source.metadata().fps,
        Some(100_000.0 / source.metadata().duration.unwrap())
    );
    assert_eq!(checksums(&source, &[0, 1, 999]).len(), 3);
}
