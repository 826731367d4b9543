//! Video files that are damaged, files that are no videos, and missing programs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{
    TEST_PATTERN, all_checksums, ffmpeg, has_ffmpeg, media, open_video, read, refusal, videos,
};
use glm4v_config::VideoProcessorConfig;
use glm4v_preprocess::{DecodeLimits, DecodeOptions, PreprocessError, ReadOptions, Source};

fn cut(folder: &Path, name: &str, keep: f64) -> PathBuf {
    let bytes = fs::read(media(name)).unwrap();
    let path = folder.join(name);
    fs::write(&path, &bytes[..(bytes.len() as f64 * keep) as usize]).unwrap();
    path
}

#[test]
fn the_existing_frames_of_a_file_that_is_cut_off_are_read() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let all = videos().remove("uneven.mkv").unwrap().crc32;
    let path = cut(folder.path(), "uneven.mkv", 0.6);
    let source = open_video(&path);
    let there = all_checksums(&source);
    assert!((5..all.len()).contains(&there.len()), "{}", there.len());
    assert_eq!(there[..4], all[..4]);
    let warnings = source.warnings();
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    let counted = format!("it has {} frames", there.len());
    assert!(warning.ends_with(&counted), "{warning}");
    let options = ReadOptions::default();
    read(&path, &options, VideoProcessorConfig::default()).unwrap();

    // With its index at the front, an MP4 can be cut as well.
    let front = folder.path().join("front.mp4");
    let name = media("b-frames.mp4");
    let copy = [
        "-i",
        name.to_str().unwrap(),
        "-c",
        "copy",
        "-movflags",
        "faststart",
    ];
    assert!(ffmpeg(&copy, &front));
    let bytes = fs::read(&front).unwrap();
    fs::write(&front, &bytes[..bytes.len() / 2]).unwrap();
    let source = open_video(&front);
    let there = all_checksums(&source);
    assert!((4..40).contains(&there.len()), "{}", there.len());
    assert!(source.warnings()[0].contains("the header claims 40 frames"));

    // Without any index there is nothing.
    let error = refusal(cut(folder.path(), "b-frames.mp4", 0.5));
    assert!(
        matches!(&error, PreprocessError::File { source, .. }
            if matches!(**source, PreprocessError::Program { .. })),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("b-frames.mp4: ffprobe cannot read the video: "),
        "{error}"
    );
}

#[test]
fn a_file_without_a_video_stream() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.mp4");
    assert!(ffmpeg(&["-f", "lavfi", "-i", "sine=d=0.5"], &sound));
    let message = refusal(&sound).to_string();
    assert!(
        message.ends_with("sound.mp4: the file has no video stream, only: audio"),
        "{message}"
    );
    let (cover, album) = (
        folder.path().join("cover.png"),
        folder.path().join("album.mp4"),
    );
    assert!(ffmpeg(
        &["-f", "lavfi", "-i", TEST_PATTERN, "-frames:v", "1"],
        &cover
    ));
    let inputs = ["-i", sound.to_str().unwrap(), "-i", cover.to_str().unwrap()];
    let attach = [
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-disposition:v:0",
        "attached_pic",
    ];
    assert!(ffmpeg(&[&inputs[..], &attach].concat(), &album));
    let message = refusal(&album).to_string();
    assert!(message.contains("a cover image"), "{message}");
}

#[test]
fn files_that_are_not_videos_are_not_given_to_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("video.mp4");
    let options = ReadOptions {
        ffprobe: "/nowhere/ffprobe".into(),
        ..ReadOptions::default()
    };
    for text in [
        "#EXTM3U\n/etc/passwd\n",
        "ffconcat version 1.0\nfile a.mp4\n",
        "",
        "hello",
    ] {
        fs::write(&path, text).unwrap();
        let error = Source::open(&path, &options).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("and videos (MP4"), "{message}");
    }
}

#[test]
fn frames_beyond_the_limit_are_refused_before_they_are_decoded() {
    if !has_ffmpeg() {
        return;
    }
    let options = ReadOptions {
        decode: DecodeOptions {
            limits: DecodeLimits {
                max_decoded_pixels: 98 * 62 - 1,
                ..DecodeLimits::default()
            },
            ..DecodeOptions::default()
        },
        ffmpeg: "/nowhere/ffmpeg".into(),
        ..ReadOptions::default()
    };
    let message = Source::open(media("b-frames.mp4"), &options)
        .unwrap_err()
        .to_string();
    assert!(
        message.ends_with("an image of 98×62 pixels exceeds the limit of 6075 pixels"),
        "{message}"
    );
}

#[test]
fn indices_are_checked() {
    if !has_ffmpeg() {
        return;
    }
    let source = open_video(media("b-frames.mp4"));
    let message = |indices| source.frames(indices).err().unwrap().to_string();
    assert!(message(&[3, 40]).contains("ends after 40 frames"));
    assert!(message(&[3, 2]).ends_with("found 2 after 3"));
    assert_eq!(source.frames(&[]).unwrap().count(), 0);
}

#[test]
fn missing_programs_are_named_with_the_fix() {
    let missing = |ffmpeg: &str, ffprobe: &str| {
        let options = ReadOptions {
            ffmpeg: ffmpeg.into(),
            ffprobe: ffprobe.into(),
            ..ReadOptions::default()
        };
        let config = VideoProcessorConfig::default();
        let read = read(media("b-frames.mp4"), &options, config);
        read.unwrap_err().to_string()
    };
    let check = |message: String, program: &str| {
        for part in [
            "b-frames.mp4: ",
            program,
            "apt install ffmpeg",
            "brew",
            "winget",
            "PATH",
        ] {
            assert!(message.contains(part), "{message}");
        }
    };
    check(missing("ffmpeg", "/nowhere/ffprobe"), "/nowhere/ffprobe");
    if has_ffmpeg() {
        check(missing("/nowhere/ffmpeg", "ffprobe"), "/nowhere/ffmpeg");
    }
}
