//! Programs that use too much, in the place of ffprobe and ffmpeg.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use glm4v_preprocess::{ReadOptions, Source};

use crate::common::{has_ffmpeg, media, open_with};

fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("program");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn processor_time_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let options = ReadOptions {
        ffprobe: script(folder.path(), "while :; do :; done"),
        max_program_seconds: Some(1),
        ..ReadOptions::default()
    };
    let error = Source::open(media("b-frames.mp4"), &options).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("its limit of 1 seconds of processor time"),
        "{message}"
    );
}

#[test]
fn memory_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let options = ReadOptions {
        // It keeps its last line in memory, and this line has no end.
        ffprobe: script(folder.path(), "sleep 0.2; exec tail -n 1 /dev/zero"),
        max_program_bytes: 64 << 20,
        ..ReadOptions::default()
    };
    let error = Source::open(media("b-frames.mp4"), &options).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("memory exhausted"), "{message}");
}

/// Frames that were decoded before the end do not stand in for the others.
#[test]
fn a_decoder_that_is_ended_is_an_error() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = ReadOptions {
        ffmpeg: script(folder.path(), "ffmpeg \"$@\"; kill -9 $$"),
        ..ReadOptions::default()
    };
    let video = open_with(media("b-frames.mp4"), &options).unwrap();
    let last = video.metadata().num_frames - 1;
    let frames: Vec<_> = video.frames(&[0, last]).unwrap().collect();
    assert!(
        frames.iter().all(Result::is_ok),
        "the program was ended after its work"
    );

    let options = ReadOptions {
        ffmpeg: script(folder.path(), "ffmpeg \"$@\" | head -c 20000; kill -9 $$"),
        ..ReadOptions::default()
    };
    let video = open_with(media("b-frames.mp4"), &options).unwrap();
    let frames: Vec<_> = video.frames(&[0, last]).unwrap().collect();
    assert!(frames[0].is_ok());
    let message = frames[1].as_ref().unwrap_err().to_string();
    assert!(message.contains("was ended by the system"), "{message}");
}

/// A playlist, and a file that names another one, would reach other protocols.
#[test]
fn only_the_file_itself_is_opened() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret.mp4");
    fs::copy(media("b-frames.mp4"), &secret).unwrap();
    let log = folder.path().join("log");
    let options = ReadOptions {
        ffprobe: script(
            folder.path(),
            &format!("echo \"$@\" >> '{}'; exec ffprobe \"$@\"", log.display()),
        ),
        ..ReadOptions::default()
    };
    for (name, content) in [
        (
            "list.mp4",
            format!("ffconcat version 1.0\nfile '{}'\n", secret.display()),
        ),
        (
            "list.mkv",
            format!("#EXTM3U\n#EXTINF:1,\n{}\n", secret.display()),
        ),
        (
            "list.ts",
            "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n".to_owned(),
        ),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let error = Source::open(&path, &options).unwrap_err();
        assert!(
            error.to_string().contains("the file starts with"),
            "{error}"
        );
    }
    assert!(!log.exists(), "no program was started for them");
    open_with(&secret, &options).unwrap();
    let started = fs::read_to_string(log).unwrap();
    for line in started.lines() {
        assert!(line.contains("-protocol_whitelist file -f mov"), "{line}");
    }
}
