//! A job whose disk is full.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::common::{assert_same, files, job, output, photos, repetitions};
use crate::support::{Run, glm4v, program, run};

/// A disk that is full again and again: a small tmpfs, or a limit of the size of files where none can be mounted.
#[test]
fn a_disk_that_fills_up_and_is_freed_ends_in_the_same_bytes() {
    let (photos, dir) = (photos(60), tempfile::tempdir().unwrap());
    let whole = output(&dir, "whole");
    assert_eq!(glm4v(job(&photos, &whole)).code, Some(3));
    let expected = files(Path::new(&whole));
    let size: u64 = expected.values().map(|bytes| bytes.len() as u64).sum();
    let largest = expected.values().map(Vec::len).max().unwrap() as u64;
    let disks = repetitions("GLM4V_FULL_DISKS", 6);
    let mounted = Mounted::new(2 * size);
    if mounted.is_none() {
        eprintln!("a tmpfs cannot be mounted here: a limit of the size of files stands in for it");
    }
    let (mut full, mut round) = (0, 0_u64);
    while full < disks {
        let parent = mounted
            .as_ref()
            .map_or(dir.path(), |mounted| mounted.0.path());
        let (out, fill) = (
            format!("{}/out-{round}/", parent.display()),
            parent.join("fill"),
        );
        let mut attempt = 0;
        loop {
            // Moments that spread over the whole run, and differ from round to round
            let share = (attempt * 13 + round * 7) % 100;
            let found = match &mounted {
                Some(_) => {
                    fs::write(
                        &fill,
                        vec![0; (size * (100 - share) / 100 + size / 2) as usize],
                    )
                    .ok();
                    let found = run(program().args(job(&photos, &out)));
                    fs::remove_file(&fill).ok();
                    found
                }
                None => limited(largest * share / 100 / 1024 + 1, &job(&photos, &out)),
            };
            attempt += 1;
            if found.code == Some(3) {
                break;
            }
            let error = found.fails_with_notes();
            assert!(
                error.contains("no space left") && error.contains(&out),
                "{error}"
            );
            assert_eq!(error.matches(&out).count(), 1, "{error}");
            full += 1;
            if attempt == 8 {
                assert_eq!(glm4v(job(&photos, &out)).code, Some(3));
                break;
            }
        }
        assert_same(&out, &expected, &format!("round {round}"));
        fs::remove_dir_all(&out).unwrap();
        round += 1;
    }
}

/// Runs the program with a limit of the size of each file, in KiB.
fn limited(kib: u64, args: &[&str]) -> Run {
    let mut shell = std::process::Command::new("bash");
    shell.env_remove("XDG_RUNTIME_DIR");
    let script = format!(r#"trap "" XFSZ; ulimit -f {kib}; exec "$@""#);
    shell.args(["-c", &script, "-", env!("CARGO_BIN_EXE_glm4v")]);
    run(shell.args(args))
}

/// A small file system.
struct Mounted(TempDir);

impl Mounted {
    fn new(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let mut mount = std::process::Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path());
        let done = mount.output().is_ok_and(|output| output.status.success());
        done.then_some(Self(dir))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut unmount = std::process::Command::new("umount");
        unmount.arg("--lazy").arg(self.0.path()).status().ok();
    }
}
