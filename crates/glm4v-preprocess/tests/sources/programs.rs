//! How ffmpeg and ffprobe are started and ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;

#[cfg(target_os = "linux")]
use crate::common::ffmpeg;
use crate::common::{has_ffmpeg, media, open_with};
use glm4v_preprocess::ReadOptions;

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
fn read_with(script: &str) -> Result<usize, String> {
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
