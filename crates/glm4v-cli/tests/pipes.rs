//! Inputs that can be read only once: pipes and the standard input.
#![cfg(unix)]

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{
    Run, entries, feed, has_ffmpeg, image, make_pipe, program, read_safetensors, run, video,
};
use tempfile::TempDir;

/// A directory for pipes and outputs, and one for temporary files, which must stay empty.
struct Place {
    dir: TempDir,
    temporary: TempDir,
}

impl Place {
    fn new() -> Self {
        let [dir, temporary] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        Self { dir, temporary }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A pipe with the content of `file`.
    fn pipe(&self, name: &str, file: &Path) -> PathBuf {
        let path = self.file(name);
        if !path.exists() {
            make_pipe(&path);
        }
        feed(&path, file);
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut program = program();
        program.env("TMPDIR", self.temporary.path()).args(args);
        program
    }

    fn run(&self, args: &[&str]) -> Run {
        self.finish(&mut self.command(args))
    }

    fn run_on(&self, stdin: &Path, args: &[&str]) -> Run {
        let stdin = File::open(stdin).unwrap();
        self.finish(self.command(args).stdin(stdin))
    }

    fn finish(&self, command: &mut Command) -> Run {
        let run = run(command);
        assert_eq!(entries(self.temporary.path()), [""; 0]);
        run
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn images_from_pipes_give_the_same_as_their_files() {
    let place = Place::new();
    let [first, second] = ["chelsea.png", "rgb-60x83.png"].map(image);
    let output = place.file("a.safetensors");
    let stored = |args: &[&str]| {
        place
            .run(&[args, &["-q", "-o", text(&output)]].concat())
            .ok();
        read_safetensors(&output, "embeddings")
    };
    let expected = stored(&["encode", text(&first), text(&second)]);
    let pipe = place.pipe("pipe", &first);
    assert_eq!(stored(&["encode", text(&pipe), text(&second)]), expected);
    // All inputs are probed first, and pipes cannot be opened again for it.
    let pipes = [place.pipe("pipe", &first), place.pipe("other", &second)];
    let [first_pipe, second_pipe] = pipes.each_ref().map(|pipe| text(pipe));
    let limited = ["encode", first_pipe, second_pipe, "--max-memory", "1G"];
    let limited = stored(&limited);
    assert_eq!(limited.grids, expected.grids);
    let near = limited.values.iter().zip(&expected.values);
    assert!(near.into_iter().all(|(a, b)| (a - b).abs() < 1e-4));

    let json = place.run_on(&first, &["encode", "-", text(&second), "--json"]);
    let json = json.ok().json();
    assert_eq!(json["inputs"][0]["file"], "-");
    assert_eq!(json["inputs"][0]["tokens"], 176);
    assert_eq!(json["inputs"][1]["tokens"], 12);
}

#[test]
fn every_command_reads_the_standard_input() {
    let place = Place::new();
    let (photo, output) = (image("rgb-60x83.png"), place.file("out.png"));
    let plan = place.run_on(&photo, &["plan", "-", "100x60", "--json"]);
    assert_eq!(plan.ok().json()["inputs"][0]["tokens"], 12);
    place
        .run_on(&photo, &["viz", "-", "-q", "-o", text(&output)])
        .ok();
    assert_eq!(::image::image_dimensions(&output).unwrap(), (84, 112));
    let rows = place.file("rows.safetensors");
    place
        .run_on(&photo, &["preprocess", "-", "-q", "-o", text(&rows)])
        .ok();
    assert_eq!(read_safetensors(&rows, "pixel_values").grids, [[1, 8, 6]]);
    let gif = place.run_on(&image("animated.gif"), &["encode", "-", "--json"]);
    assert!(gif.ok().json()["inputs"][0]["video"].is_object());
}

#[test]
fn videos_from_pipes_are_saved_and_removed() {
    if !has_ffmpeg() {
        return;
    }
    let place = Place::new();
    let (file, output) = (video("b-frames.mp4"), place.file("a.safetensors"));
    let rows = |run: Run| {
        run.ok();
        read_safetensors(&output, "pixel_values")
    };
    let args = |input| ["preprocess", input, "-q", "-o", text(&output)];
    let expected = rows(place.run(&args(text(&file))));
    let pipe = place.pipe("pipe", &file);
    assert_eq!(rows(place.run(&args(text(&pipe)))), expected);
    assert_eq!(rows(place.run_on(&file, &args("-"))), expected);
    // It names another file in the process of ffmpeg.
    assert_eq!(rows(place.run_on(&file, &args("/dev/stdin"))), expected);
    let pipe = place.pipe("pipe", &file);
    let limited = ["encode", text(&pipe), "--max-memory", "1G", "--json"];
    let json = place.run(&limited).ok().json();
    assert_eq!(json["inputs"][0]["file"], text(&pipe));
    let broken = place.file("broken.mp4");
    std::fs::write(&broken, &std::fs::read(&file).unwrap()[..2000]).unwrap();
    let error = place.run_on(&broken, &args("-")).fails();
    assert!(error.starts_with("-: "), "{error}");
}

#[test]
fn process_substitution_works() {
    let place = Place::new();
    let script = r#""$0" plan --json <(cat "$1") <(cat "$2")"#;
    let mut bash = Command::new("bash");
    bash.env("TMPDIR", place.temporary.path())
        .args(["-c", script, env!("CARGO_BIN_EXE_glm4v")])
        .args(["rgb-60x83.png", "chelsea.png"].map(image));
    let json = place.finish(&mut bash).ok().json();
    assert_eq!(json["tokens"], 12 + 176);
}

#[test]
fn a_pipe_is_named_once() {
    let place = Place::new();
    let photo = image("rgb-60x83.png");
    let pipe = place.file("pipe");
    make_pipe(&pipe);
    for command in ["encode", "plan"] {
        for inputs in [["-", "-"], [text(&pipe), text(&pipe)]] {
            let error = place.run_on(&photo, &[&[command], &inputs[..]].concat());
            let error = error.fails();
            assert!(error.starts_with(inputs[0]), "{error}");
            assert!(error.contains("named twice"), "{error}");
        }
    }
}

#[test]
fn devices_and_empty_inputs_are_refused() {
    let place = Place::new();
    for command in ["encode", "plan"] {
        let error = place.run(&[command, "/dev/zero"]).fails();
        assert!(
            error.starts_with("/dev/zero: a device cannot be read"),
            "{error}"
        );
        let error = place
            .run_on(Path::new("/dev/null"), &[command, "-"])
            .fails();
        assert_eq!(
            error.split(';').next(),
            Some("-: unknown format: the file is empty")
        );
    }
}
