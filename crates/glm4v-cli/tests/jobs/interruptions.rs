//! Jobs that are killed, or stopped by a signal.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{assert_same, files, job, output, photos, repetitions};
use crate::support::{glm4v, program, run};

#[test]
fn a_job_that_is_killed_ends_in_the_same_bytes() {
    kill_until_done(repetitions("GLM4V_KILLS", 8), false);
}

/// The CPU kernels give an input the same values in any batch. So bytes do not depend on what the cache has.
#[test]
fn a_job_with_a_cache_that_is_killed_ends_in_the_same_bytes() {
    kill_until_done(repetitions("GLM4V_KILLS", 8), true);
}

fn kill_until_done(kills: u32, with_cache: bool) {
    let (photos, dir) = (photos(60), tempfile::tempdir().unwrap());
    let whole = output(&dir, "whole");
    let start = Instant::now();
    assert_eq!(glm4v(job(&photos, &whole)).code, Some(3));
    let time = start.elapsed();
    let expected = files(Path::new(&whole));
    let (mut killed, mut round) = (0, 0_u32);
    while killed < kills {
        let out = output(&dir, &format!("killed-{round}"));
        let cache = output(&dir, &format!("cache-{round}"));
        let job = |photos, out| {
            let mut args = job(photos, out);
            if with_cache {
                args.extend(["--cache", &cache]);
            }
            args
        };
        let mut finished = false;
        while !finished {
            // Moments that spread over the whole run, and differ from round to round
            killed += 1;
            let share = f64::from(killed * 37 % 101) / 100.0;
            let mut child = program()
                .args(job(&photos, &out))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            finished = ends_within(&mut child, time.mul_f64(share.max(0.1)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(run(program().args(job(&photos, &out))).code, Some(3));
        assert_same(&out, &expected, &format!("round {round}"));
        fs::remove_dir_all(&out).unwrap();
        round += 1;
    }
}

fn ends_within(child: &mut Child, time: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < time {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    false
}

#[cfg(unix)]
#[test]
fn a_signal_loses_only_the_batch_that_is_encoded() {
    let (photos, dir) = (photos(60), tempfile::tempdir().unwrap());
    let (whole, out) = (output(&dir, "whole"), output(&dir, "out"));
    // One shard for all inputs, so that nothing but its rows is there.
    let job = |out| {
        let mut args = job(&photos, out);
        args.retain(|arg| !["--shard-size", "100K"].contains(arg));
        args
    };
    assert_eq!(glm4v(job(&whole)).code, Some(3));
    let mut child = program()
        .args(job(&out))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let rows = Path::new(&out).join("shard-000000.rows");
    let size = || fs::metadata(&rows).map_or(0, |metadata| metadata.len());
    while size() < 100_000 {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        thread::sleep(Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", "INT", &pid])
        .status();
    assert!(sent.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert!(
        stderr.ends_with("glm4v: error: stopped by SIGINT\n"),
        "{stderr}"
    );
    assert!(!Path::new(&out).join("shard-000000.parquet").exists());

    let resumed = glm4v(job(&out));
    assert_eq!(resumed.code, Some(3), "{resumed:#?}");
    let note = resumed
        .stderr
        .lines()
        .find(|line| line.contains("inputs are done; the job goes on"));
    let done: u32 = note.unwrap().split(' ').nth(2).unwrap().parse().unwrap();
    assert!(done > 2, "{note:?}");
    assert_same(&out, &files(Path::new(&whole)), "after a signal");
}
