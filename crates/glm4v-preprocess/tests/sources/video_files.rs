//! Video files against the frames of torchcodec and PyAV.

use std::fs;

use crate::common::{
    TEST_PATTERN, all_checksums, checksums, ffmpeg, has_ffmpeg, media, open_video, open_with, read,
    scattered, videos,
};
use glm4v_config::VideoProcessorConfig;
use glm4v_preprocess::{ReadOptions, VideoMetadata, VideoProcessor};

#[test]
fn frames_and_metadata_equal_the_references() {
    if !has_ffmpeg() {
        return;
    }
    let videos = videos();
    assert!(videos.len() >= 4);
    for (name, expected) in &videos {
        let source = open_video(media(name));
        let metadata = VideoMetadata {
            num_frames: expected.num_frames.unwrap(),
            fps: expected.fps,
            duration: expected.duration,
            frame_times: None,
        };
        assert_eq!(source.metadata(), &metadata, "{name}");
        assert_eq!(source.size(), (expected.height, expected.width), "{name}");
        assert_eq!(source.warnings(), [""; 0], "{name}");
        assert_eq!(all_checksums(&source), expected.crc32, "{name}");
    }
}

#[test]
fn any_choice_of_frames_is_of_the_same_frames() {
    if !has_ffmpeg() {
        return;
    }
    for (name, expected) in videos() {
        let source = open_video(media(&name));
        let all = expected.crc32;
        for seed in 0..8 {
            let indices = scattered(seed, all.len(), 2 + 3 * seed as usize);
            let chosen: Vec<u32> = indices.iter().map(|&index| all[index]).collect();
            assert_eq!(checksums(&source, &indices), chosen, "{name}, {indices:?}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.mkv");
    let pattern = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=32x32:r=25",
        "-frames:v",
        "6000",
    ];
    if !ffmpeg(&[&pattern[..], &["-c:v", "ffv1"]].concat(), &path) {
        return;
    }
    let source = open_video(&path);
    let all = all_checksums(&source);
    for (seed, count) in [(1, 640), (2, 1500), (3, 5000)] {
        let indices = scattered(seed, 6000, count);
        let chosen: Vec<u32> = indices.iter().map(|&index| all[index]).collect();
        assert!(checksums(&source, &indices) == chosen, "{count} frames");
    }
}

#[test]
fn a_processor_reads_the_frames_that_it_samples() {
    if !has_ffmpeg() {
        return;
    }
    let (config, path) = (VideoProcessorConfig::default(), media("b-frames.mp4"));
    let video = read(&path, &ReadOptions::default(), config.clone()).unwrap();
    let source = open_video(&path);
    let all: Vec<usize> = (0..40).collect();
    let frames = source.frames(&all).unwrap().map(Result::unwrap);
    let preprocessed = VideoProcessor::new(config).preprocess(frames, source.metadata());
    assert_eq!(preprocessed.unwrap(), video);
}

/// Other kinds of files: the frames are those of the first file, and the metadata is known.
#[test]
fn containers_and_codecs() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pattern = ["-f", "lavfi", "-i", TEST_PATTERN, "-frames:v", "12"];
    let rotated = ["-vf", "transpose"];
    let whole = folder.path().join("whole.mkv");
    assert!(ffmpeg(
        &[&pattern[..], &["-c:v", "ffv1", "-pix_fmt", "yuv420p"]].concat(),
        &whole
    ));
    let expected = all_checksums(&open_video(&whole));
    for (name, encoder) in [
        ("ffv1.avi", &["-c:v", "ffv1", "-pix_fmt", "yuv420p"][..]),
        ("x264.mp4", &["-c:v", "libx264", "-qp", "0"]),
        ("x264.ts", &["-c:v", "libx264", "-qp", "0"]),
        ("x264.flv", &["-c:v", "libx264", "-qp", "0"]),
        (
            "x264.mov",
            &[
                "-c:v",
                "libx264",
                "-qp",
                "0",
                "-movflags",
                "frag_keyframe+empty_moov",
            ],
        ),
        (
            "vp9.webm",
            &[
                "-c:v",
                "libvpx-vp9",
                "-lossless",
                "1",
                "-pix_fmt",
                "yuv420p",
            ],
        ),
        ("wmv2.wmv", &["-c:v", "wmv2"]),
        ("theora.ogv", &["-c:v", "libtheora"]),
        ("mpeg1.mpg", &["-c:v", "mpeg1video"]),
        ("mpeg4.avi", &["-c:v", "mpeg4", "-bf", "2"]),
        (
            "ten-bits.mp4",
            &["-c:v", "libx264", "-pix_fmt", "yuv422p10le"],
        ),
    ] {
        let path = folder.path().join(name);
        if !ffmpeg(&[&pattern[..], encoder].concat(), &path) {
            continue;
        }
        let source = open_video(&path);
        let metadata = source.metadata();
        assert_eq!(
            (metadata.num_frames, source.size()),
            (12, (62, 98)),
            "{name}"
        );
        let fps = metadata.fps.unwrap();
        assert!((24.9..27.3).contains(&fps), "{name}: {fps}");
        let found = all_checksums(&source);
        let lossless = encoder
            .iter()
            .any(|word| ["-qp", "-lossless", "ffv1"].contains(word));
        assert!(!lossless || found == expected, "{name}");
        assert_eq!(found.len(), 12, "{name}");
        assert_eq!(source.warnings(), [""; 0], "{name}");
    }
    let upright = folder.path().join("upright.mkv");
    assert!(ffmpeg(
        &[&pattern[..], &rotated, &["-c:v", "ffv1"]].concat(),
        &upright
    ));
    assert_eq!(open_video(&upright).size(), (98, 62));
}

#[cfg(unix)]
#[test]
fn odd_names_are_only_names() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "-i.mp4",
        "http:b.mp4",
        "concat:a|b",
        "%03d.mp4",
        "ü 'x'.txt",
        "a\\b",
    ];
    for name in names {
        let path = folder.path().join(name);
        fs::copy(media("b-frames.mp4"), &path).unwrap();
        assert_eq!(checksums(&open_video(&path), &[0]).len(), 1, "{name}");
    }
}

#[test]
fn a_given_frame_rate_replaces_the_files() {
    if !has_ffmpeg() {
        return;
    }
    let options = ReadOptions {
        source_fps: Some(5.0),
        ..ReadOptions::default()
    };
    let source = open_with(media("b-frames.mp4"), &options).unwrap();
    assert_eq!(source.metadata(), &VideoMetadata::new(40, 5.0));
}

/// Frames after a change of size are scaled, and no frame is counted twice.
#[test]
fn frames_of_another_size_are_scaled() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let part = |size: &str, offset: &str| {
        let path = folder.path().join(format!("{size}.ts"));
        let pattern = format!("testsrc2=s={size}:r=25");
        let pattern = ["-f", "lavfi", "-i", &pattern, "-frames:v", "20"];
        let encoder = ["-c:v", "libx264", "-output_ts_offset", offset];
        ffmpeg(&[&pattern[..], &encoder].concat(), &path).then(|| fs::read(path).unwrap())
    };
    let (Some(small), Some(wide)) = (part("64x64", "0"), part("96x48", "0.8")) else {
        return;
    };
    let path = folder.path().join("both.ts");
    fs::write(&path, [small, wide].concat()).unwrap();
    let source = open_video(&path);
    assert_eq!(
        (source.metadata().num_frames, source.size()),
        (40, (64, 64))
    );
    let all = all_checksums(&source);
    assert_eq!(checksums(&source, &[5, 25, 39]), [all[5], all[25], all[39]]);
}
