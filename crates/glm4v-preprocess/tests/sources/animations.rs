//! Animated pictures against Pillow's frames and torchcodec's times, and files that are not what they say.

use std::collections::BTreeMap;
use std::fs;

use crate::common::{Expected, all_checksums, checksums, clip, golden, media};
use glm4v_config::VideoProcessorConfig;
use glm4v_preprocess::{Media, MediaOptions, VideoProcessor, open};
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
        let source = clip(media(name));
        assert_eq!(source.size(), (expected.height, expected.width), "{name}");
        assert_eq!(source.warnings(), [""; 0], "{name}");
        let info = source.info();
        let times = info.frame_times.as_ref().unwrap();
        assert_eq!(times.len(), info.num_frames, "{name}");
        assert_eq!(times[..3], [0.0, 0.05, 0.25], "{name}");
        // ffmpeg's clock of PNG ticks 100,000 times a second, and a frame's delay is cut to its ticks.
        let near = |own: Option<f64>, theirs: f64| (own.unwrap() / theirs - 1.0).abs() < 2e-5;
        for (own, theirs) in [(info.fps, expected.fps), (info.duration, expected.duration)] {
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
fn a_processor_tells_true_times() {
    let source = clip(media("plain.gif"));
    let clip = VideoProcessor::new(VideoProcessorConfig::default())
        .read(&source)
        .unwrap();
    // A second or less at 2 frames a second is one frame, and 0.6 seconds of 4.6V's rule are three.
    assert_eq!(clip.frames_indices[0], 0);
    let times = source.info().frame_times.as_ref().unwrap();
    for (&index, &time) in clip.frames_indices.iter().zip(&clip.frame_timestamps) {
        assert_eq!(time, times[index]);
    }
}

#[test]
fn a_still_is_a_still_and_an_animation_can_be_taken_for_one() {
    let stills = MediaOptions {
        stills: true,
        ..MediaOptions::default()
    };
    for name in ["plain.gif", "hard-0.png", "lossy.webp"] {
        let Media::Still(picture) = Media::open(media(name), &stills).unwrap() else {
            panic!("{name} is a clip");
        };
        assert_eq!(picture, open(media(name), &stills.open).unwrap());
    }
    let images = media("../../../../tests/images");
    for name in [
        "plain.gif",
        "gray.png",
        "lossy.webp",
        "rgb.bmp",
        "jpeg-420.jpg",
    ] {
        let opened = Media::open(images.join(name), &MediaOptions::default()).unwrap();
        assert!(matches!(opened, Media::Still(_)), "{name}");
    }
}

#[test]
fn an_own_frame_rate_replaces_the_times() {
    let options = MediaOptions {
        source_fps: Some(4.0),
        ..MediaOptions::default()
    };
    let Media::Clip(source) = Media::open(media("plain.gif"), &options).unwrap() else {
        panic!("a still");
    };
    assert_eq!(source.info().frame_timestamps(&[0, 3]), [0.0, 0.75]);
}

/// Wherever a file is cut, the frames before the cut are read, or one clear error is given.
#[test]
fn of_a_file_that_is_cut_off_the_whole_frames_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, expected) in animations() {
        let whole = fs::read(media(&name)).unwrap();
        let path = folder.path().join(&name);
        let mut clips = 0;
        for length in (8..whole.len() - 24).step_by(211) {
            fs::write(&path, &whole[..length]).unwrap();
            match Media::open(&path, &MediaOptions::default()) {
                Ok(Media::Clip(source)) => {
                    clips += 1;
                    let found = all_checksums(&source);
                    assert_eq!(found, expected.crc32[..found.len()], "{name}, {length}");
                    // A GIF without its end mark, but cut between frames, may be meant so.
                    let warned = source.warnings().len() == 1 || name.ends_with(".gif");
                    assert!(warned || found.len() == 6, "{name}, {length}");
                }
                Ok(Media::Still(_)) => {}
                Err(error) => assert!(error.to_string().contains(&name), "{error}"),
            }
        }
        assert!(clips > 10, "{name}: {clips}");
    }
}

/// Nothing but an error comes of damage; what is read is of the size that was promised.
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
            let Ok(Media::Clip(source)) = Media::open(&path, &MediaOptions::default()) else {
                continue;
            };
            let indices: Vec<usize> = (0..source.info().num_frames).collect();
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
        Media::open(&path, &MediaOptions::default())
            .unwrap_err()
            .to_string()
    };
    for (name, offset) in [("plain.gif", 6), ("hard-0.png", 17), ("lossy.webp", 24)] {
        let message = patched(name, offset, &[0xff; 4]);
        assert!(
            message.contains("expected at most 178956970 pixels"),
            "{message}"
        );
    }
    // A frame may be larger than its canvas, but not than a picture.
    let mut bytes = fs::read(media("plain.gif")).unwrap();
    let frame = bytes
        .windows(5)
        .rposition(|mark| mark == [0x2c, 0, 0, 0, 0]);
    let size = frame.unwrap() + 5;
    bytes[size..size + 4].copy_from_slice(&[0xff; 4]);
    let path = folder.path().join("frame.gif");
    fs::write(&path, bytes).unwrap();
    let source = clip(path);
    let error = source.frames(&[5]).unwrap().next().unwrap().unwrap_err();
    let message = error.to_string();
    assert!(
        message.ends_with("178956970 pixels, found a frame of 65535×65535"),
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
        let picture = RgbaImage::from_pixel(64, 64, image::Rgba([level, 0, 0, 255]));
        let delay = Delay::from_numer_denom_ms(40, 1);
        encoder
            .encode_frame(Frame::from_parts(picture, 0, 0, delay))
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
    let source = clip(&path);
    assert_eq!(source.info().num_frames, 100_000);
    assert_eq!(
        source.info().fps,
        Some(100_000.0 / source.info().duration.unwrap())
    );
    assert_eq!(checksums(&source, &[0, 1, 999]).len(), 3);
}
