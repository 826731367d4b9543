//! Inputs that can be read only once, and paths that are no files.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::common::{all_checksums, has_ffmpeg, media, open_video, open_with, refusal};
use glm4v_preprocess::{PreprocessError, ReadOptions, Source, VideoSource};
use tempfile::TempDir;

/// A pipe in a new directory. A thread writes the content of `file` into it, once.
fn pipe(file: &Path) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let (bytes, to) = (fs::read(file).unwrap(), path.clone());
    thread::spawn(move || {
        // A reader that refuses the input closes the pipe early.
        let _ = fs::write(to, bytes);
    });
    (dir, path)
}

fn image(name: &str) -> PathBuf {
    let images = std::path::absolute("../../tests/images").unwrap();
    images.join(name)
}

/// Options that save pipes in a directory of their own.
fn spooling() -> (TempDir, ReadOptions) {
    let dir = tempfile::tempdir().unwrap();
    let options = ReadOptions {
        spool_dir: Some(dir.path().to_owned()),
        ..ReadOptions::default()
    };
    (dir, options)
}

fn count(dir: &TempDir) -> usize {
    dir.path().read_dir().unwrap().count()
}

fn video() -> PathBuf {
    media("b-frames.mp4")
}

#[test]
fn an_image_from_a_pipe_is_kept_in_memory() {
    let (spooled, options) = spooling();
    for name in ["chelsea.png", "exif-6.jpg"] {
        let file = image(name);
        let (_dir, path) = pipe(&file);
        let Source::Image(piped) = Source::open(&path, &options).unwrap() else {
            panic!("{name} is an image");
        };
        assert_eq!(piped.name(), Some(path.as_path()));
        let Source::Image(stored) = Source::open(&file, &options).unwrap() else {
            panic!("{name} is an image");
        };
        assert_eq!(piped.decode().unwrap(), stored.decode().unwrap());
    }
    assert_eq!(count(&spooled), 0);
}

#[test]
fn an_animation_from_a_reader_is_a_video() {
    let (spooled, options) = spooling();
    let file = image("animated.gif");
    let Source::Video(read) =
        Source::from_reader("-", File::open(&file).unwrap(), &options).unwrap()
    else {
        panic!("an animation is a video");
    };
    assert_eq!(read.name(), Some(Path::new("-")));
    assert_eq!(all_checksums(&read), all_checksums(&open_video(&file)));
    assert_eq!(count(&spooled), 0);
}

#[test]
fn a_video_from_a_pipe_is_saved_while_it_is_open() {
    if !has_ffmpeg() {
        return;
    }
    let (spooled, options) = spooling();
    let file = video();
    let (_dir, path) = pipe(&file);
    let piped = open_with(&path, &options).unwrap();
    assert_eq!(count(&spooled), 1);
    let stored = open_video(&file);
    assert_eq!(piped.name(), Some(path.as_path()));
    assert_eq!(piped.metadata(), stored.metadata());
    assert_eq!(all_checksums(&piped), all_checksums(&stored));
    drop::<VideoSource>(piped);
    assert_eq!(count(&spooled), 0);
}

#[test]
fn a_video_that_is_too_long_or_cannot_be_saved_is_named() {
    let (spooled, mut options) = spooling();
    let file = video();
    options.max_spooled_bytes = 2000;
    let (_dir, path) = pipe(&file);
    let error = open_with(&path, &options).unwrap_err().to_string();
    let name = path.display().to_string();
    assert!(error.starts_with(&name), "{error}");
    assert!(error.contains("more than 2000 bytes: save it"), "{error}");
    assert_eq!(count(&spooled), 0);

    options.spool_dir = Some(spooled.path().join("nowhere"));
    let (_dir, path) = pipe(&file);
    let error = open_with(&path, &options).unwrap_err().to_string();
    for part in ["nowhere", "TMPDIR", path.to_str().unwrap()] {
        assert!(error.contains(part), "{error}");
    }
}

/// A file without a name can be opened by its descriptor only, and not by another process.
#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_of_this_process_is_read_here() {
    use std::os::fd::AsRawFd;
    if !has_ffmpeg() {
        return;
    }
    let expected = all_checksums(&open_video(video()));
    let (spooled, options) = spooling();
    let (kept, gone) = (File::open(video()).unwrap(), tempfile::tempfile().unwrap());
    std::io::copy(&mut File::open(video()).unwrap(), &mut &gone).unwrap();
    for (file, saved) in [(kept, 0), (gone, 1)] {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let source = open_with(&path, &options).unwrap();
        assert_eq!(count(&spooled), saved);
        assert_eq!(source.name(), Some(Path::new(&path)));
        assert_eq!(all_checksums(&source), expected);
    }
}

#[test]
fn an_image_file_in_a_pipe_has_a_limit() {
    let mut options = ReadOptions::default();
    options.decode.limits.max_file_bytes = 1500;
    let endless = std::io::repeat(0);
    let start = &fs::read(image("chelsea.png")).unwrap()[..1024];
    let error = Source::from_reader("endless", start.chain(endless), &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "endless: the file exceeds the limit of 1500 bytes"
    );
}

#[test]
fn devices_sockets_and_empty_pipes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for (path, found) in [(Path::new("/dev/zero"), "a device"), (&socket, "a socket")] {
        let error = refusal(path);
        let text = error.to_string();
        assert!(text.starts_with(path.to_str().unwrap()), "{text}");
        assert!(text.contains(found), "{text}");
        let PreprocessError::File { source, .. } = error else {
            panic!("{text}");
        };
        assert!(
            matches!(*source, PreprocessError::FileKind { .. }),
            "{text}"
        );
    }
    let empty = dir.path().join("empty");
    fs::write(&empty, "").unwrap();
    let (_dir, path) = pipe(&empty);
    let error = refusal(&path).to_string();
    assert!(error.contains("the file is empty"), "{error}");
}
