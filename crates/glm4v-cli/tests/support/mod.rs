//! Running the program, and reading what it wrote.
#![allow(dead_code, unreachable_pub)] // Each test file uses its part.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::{Dtype, SafeTensors};

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    /// Exit status.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs the program.
pub fn glm4v(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
    run(program().args(args))
}

/// The program, to be run.
pub fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_glm4v"));
    // Libraries must be silent where there is no desktop.
    program.env_remove("XDG_RUNTIME_DIR");
    // Not the user's cache.
    program.env(
        "GLM4V_CACHE",
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
    );
    program
}

/// Runs a command.
pub fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Run {
    /// Checks that all went well.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Checks for failure in one line of stderr, and returns it.
    pub fn fails(self) -> String {
        assert_eq!(self.code, Some(1), "{self:#?}");
        let errors: Vec<&str> = self.stderr.lines().collect();
        let [error] = errors[..] else {
            panic!("{self:#?}")
        };
        error
            .strip_prefix("glm4v: error: ")
            .expect(error)
            .to_owned()
    }

    /// Checks for failure, and returns the error. There may be notes and warnings before it.
    pub fn fails_with_notes(self) -> String {
        assert_eq!(self.code, Some(1), "{self:#?}");
        let last = self.stderr.lines().last().unwrap_or_default();
        last.strip_prefix("glm4v: error: ").expect(last).to_owned()
    }

    /// Checks that the command line was refused, and returns why.
    pub fn misused(self) -> String {
        assert_eq!(self.code, Some(2), "{self:#?}");
        assert!(self.stdout.is_empty(), "{self:#?}");
        self.stderr
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// The MiB that a refusal says are needed.
pub fn needed_mib(error: &str) -> f64 {
    let rest = error.strip_prefix("needs at least ").expect(error);
    let (number, rest) = rest.split_once(' ').expect(error);
    assert!(rest.starts_with("MiB"), "{error}");
    number.parse().expect(error)
}

/// An image of the repository's test data.
pub fn image(name: &str) -> PathBuf {
    let images = std::path::absolute("../../tests/images").unwrap();
    images.join(name)
}

/// A video of the repository's test data.
pub fn video(name: &str) -> PathBuf {
    let videos = std::path::absolute("../../tests/videos").unwrap();
    videos.join(name)
}

/// Makes a pipe with a name.
#[cfg(unix)]
pub fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Writes the content of `file` into a pipe, in a thread.
#[cfg(unix)]
pub fn feed(pipe: &Path, file: &Path) {
    let (pipe, bytes) = (pipe.to_owned(), std::fs::read(file).unwrap());
    std::thread::spawn(move || {
        // A program that refuses the input closes the pipe early.
        let _ = std::fs::write(pipe, bytes);
    });
}

/// Whether videos can be read here; says so aloud where not.
pub fn has_ffmpeg() -> bool {
    let starts = |program: &str| Command::new(program).arg("-version").output().is_ok();
    let found = starts("ffmpeg") && starts("ffprobe");
    if !found {
        eprintln!("SKIPPED videos: ffmpeg and ffprobe are not on PATH");
    }
    found
}

/// Names of the entries of `dir`, hidden ones too.
pub fn entries(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Two of a file's tensors: the shape and values of `name`, and `grid_thw`.
#[derive(Debug, PartialEq)]
pub struct Stored {
    /// Shape of the values.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Vec<f32>,
    /// Rows of three.
    pub grids: Vec<[i64; 3]>,
}

/// Reads a safetensors file.
pub fn read_safetensors(path: &Path, name: &str) -> Stored {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (values, grids) = (file.tensor(name).unwrap(), file.tensor("grid_thw").unwrap());
    assert_eq!((values.dtype(), grids.dtype()), (Dtype::F32, Dtype::I64));
    assert_eq!(grids.shape()[1..], [3]);
    let numbers: Vec<i64> = grids
        .data()
        .chunks_exact(8)
        .map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    Stored {
        shape: values.shape().to_vec(),
        values: values
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect(),
        grids: numbers
            .chunks_exact(3)
            .map(|grid| grid.try_into().unwrap())
            .collect(),
    }
}
