//! A signal stops the program, and no temporary file stays behind.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::{entries, image, make_pipe, program};
use tempfile::TempDir;

/// The program at work, and directories for its outputs and for temporary files.
struct AtWork {
    child: Child,
    outputs: TempDir,
    temporary: TempDir,
}

impl AtWork {
    fn start(args: impl FnOnce(&Path) -> Vec<PathBuf>) -> Self {
        let [outputs, temporary] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let child = program()
            .args(args(outputs.path()))
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Self {
            child: child.unwrap(),
            outputs,
            temporary,
        }
    }

    /// Waits until `is_ready`.
    fn wait(&mut self, is_ready: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_ready(self) {
            let status = self.child.try_wait().unwrap();
            assert!(status.is_none(), "it ended too early: {status:?}");
            assert!(start.elapsed() < Duration::from_secs(300));
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal. Checks the exit status, the message, and that only `left` remains.
    fn stop(mut self, signal: &str, status: i32, left: &[&str]) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
        let start = Instant::now();
        let code = self.child.wait().unwrap().code();
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        assert_eq!(code, Some(status), "{stderr}");
        let message = format!("glm4v: error: stopped by SIG{signal}\n");
        assert!(stderr.ends_with(&message), "{stderr}");
        assert_eq!(entries(self.outputs.path()), left);
        assert_eq!(entries(self.temporary.path()), [""; 0]);
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}

/// Bytes of the temporary files in `dir`.
fn temporary_bytes(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in dir.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        bytes += match path.is_dir() {
            true => temporary_bytes(&path),
            false => entry.metadata().map_or(0, |metadata| metadata.len()),
        };
    }
    bytes
}

#[test]
fn while_it_waits_for_an_input() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let mut work = AtWork::start(|dir| {
            let pipe = dir.join("pipe");
            make_pipe(&pipe);
            let output = dir.join("a.npy");
            vec!["encode".into(), pipe, "-o".into(), output]
        });
        // The directory for a video from the pipe.
        work.wait(|work| !entries(work.temporary.path()).is_empty());
        work.stop(signal, status, &["pipe"]);
    }
}

#[test]
fn while_an_output_is_written() {
    let mut work = AtWork::start(|dir| {
        // 200 MB of patch rows.
        let mut args: Vec<PathBuf> = vec!["preprocess".into(), "-q".into()];
        args.extend((0..120).map(|_| image("chelsea.png")));
        args.extend(["-o".into(), dir.join("a.safetensors")]);
        args
    });
    work.wait(|work| temporary_bytes(work.outputs.path()) > 0);
    // The writer of a library may have a temporary file of its own. It is in our directory, which the signal removes.
    let names = entries(work.outputs.path());
    assert!(
        names.iter().all(|name| name.starts_with(".glm4v-")),
        "{names:?}"
    );
    work.stop("TERM", 143, &[]);
}

#[test]
fn while_a_checkpoint_is_written() {
    let mut work = AtWork::start(|dir| {
        let args = ["init", "-q", "--preset", "glm-4.1v-9b", "-o"];
        let mut args: Vec<PathBuf> = args.map(PathBuf::from).into();
        args.push(dir.join("model"));
        args
    });
    work.wait(|work| temporary_bytes(work.outputs.path()) > 100_000);
    work.stop("INT", 130, &[]);
}

#[test]
fn while_the_tower_runs() {
    let mut work = AtWork::start(|dir| {
        let photo = dir.join("large.png");
        ::image::RgbImage::new(1000, 750).save(&photo).unwrap();
        let args = [
            "encode", "-v", "--device", "flex", "--preset", "small", "-o",
        ];
        let mut args: Vec<PathBuf> = args.map(PathBuf::from).into();
        args.extend([dir.join("a.json"), photo]);
        args
    });
    let mut stderr = BufReader::new(work.child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("loaded preset small") {
        line.clear();
        assert!(
            stderr.read_line(&mut line).unwrap() > 0,
            "it ended too early"
        );
    }
    work.child.stderr = Some(stderr.into_inner());
    work.stop("INT", 130, &["large.png"]);
}
