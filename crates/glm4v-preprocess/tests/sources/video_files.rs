//! Video files against the frames of torchcodec and PyAV, and damaged files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{
    Expected, all_checksums, checksums, ffmpeg, golden, has_ffmpeg, media, open_video, open_with,
    read, refusal, scattered,
};
use glm4v_config::VideoProcessorConfig;
use glm4v_preprocess::{
    DecodeLimits, DecodeOptions, PreprocessError, ReadOptions, Source, VideoMetadata,
    VideoProcessor,
};
use serde::Deserialize;

const TEST_PATTERN: &str = "testsrc2=s=98x62:r=25";

#[derive(Deserialize)]
struct Golden {
    videos: BTreeMap<String, Expected>,
}

fn videos() -> BTreeMap<String, Expected> {
    golden::<Golden>().videos
}

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

/// Children of this process with that name, zombies included.
#[cfg(target_os = "linux")]
fn children(name: &str) -> usize {
    let own = std::process::id().to_string();
    let stats = fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let ours = |stat: &String| {
        let (start, rest) = stat.rsplit_once(')').unwrap();
        start.ends_with(&format!("({name}")) && rest.split_whitespace().nth(1) == Some(&own)
    };
    stats.filter(ours).count()
}

/// No zombie is left, whether the frames are read, dropped early or never requested.
#[cfg(target_os = "linux")]
#[test]
fn ffmpeg_is_gone_with_the_frames() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let search = std::env::var_os("PATH").unwrap();
    let mut programs = std::env::split_paths(&search).map(|path| path.join("ffmpeg"));
    let program = programs.find(|path| path.exists()).unwrap();
    // A separate name, because other tests run at the same time.
    let options = ReadOptions {
        ffmpeg: folder.path().join("ffmpeg-here"),
        ..ReadOptions::default()
    };
    std::os::unix::fs::symlink(program, &options.ffmpeg).unwrap();
    let path = folder.path().join("long.mkv");
    let pattern = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x240:r=25",
        "-frames:v",
        "250",
    ];
    assert!(ffmpeg(&[&pattern[..], &["-c:v", "ffv1"]].concat(), &path));
    let source = open_with(&path, &options).unwrap();
    let indices: Vec<usize> = (0..250).collect();
    let mut frames = source.frames(&indices).unwrap();
    frames.next().unwrap().unwrap();
    assert_eq!(children("ffmpeg-here"), 1);
    drop(frames);
    assert_eq!(children("ffmpeg-here"), 0);
    drop(source.frames(&indices).unwrap());
    assert_eq!(children("ffmpeg-here"), 0);
    assert_eq!(source.frames(&indices).unwrap().count(), 250);
    assert_eq!(children("ffmpeg-here"), 0);
}

/// A stand-in for ffmpeg that does `script`.
#[cfg(unix)]
fn read_with(script: &str) -> Result<usize, String> {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("ffmpeg");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let options = ReadOptions {
        ffmpeg: program,
        ..ReadOptions::default()
    };
    let source = open_with(media("b-frames.mp4"), &options).unwrap();
    let indices = [0, 9, 9];
    let frames = source.frames(&indices).map_err(|error| error.to_string())?;
    let frames = frames.collect::<Result<Vec<_>, _>>();
    frames
        .map(|frames| frames.len())
        .map_err(|error| error.to_string())
}

#[cfg(unix)]
#[test]
fn errors_contain_the_last_message_of_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    // A frame, and its time in 1/12800 s.
    let frame =
        |time: usize| format!("echo 'frame:0 pts:{time} pts_time:0' >&2; head -c 18228 /dev/zero");
    let (first, last) = (frame(0), frame(9 * 512));
    let loud = "head -c 9000000 /dev/zero | tr '\\0' x >&2; echo >&2";
    assert_eq!(read_with(&format!("{loud}; {first}; {last}")), Ok(3));
    let error =
        read_with(&format!("{loud}; {first}; echo '[h264 @ 0x1] bad day' >&2")).unwrap_err();
    assert!(
        error.contains("b-frames.mp4: ffmpeg stopped before frame 9"),
        "{error}"
    );
    assert!(error.ends_with("(counted from 0): bad day"), "{error}");
    let error = read_with("echo \"Unrecognized option 'fps_mode'.\" >&2; exit 1").unwrap_err();
    assert!(
        error.ends_with("'fps_mode'. (ffmpeg 5.1 or later is needed)"),
        "{error}"
    );
    let error = read_with("exit 3").unwrap_err();
    assert!(error.ends_with("exit status: 3"), "{error}");
}
