//! Two processes on one directory, and a process that is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use glm4v_store::{Job, OutputDtype, Pool, Settings, ShardFormat, StoreError};

mod support;

const DIR: &str = "GLM4V_STORE_TEST_DIR";
const INPUTS: usize = 50;

fn settings() -> Settings {
    let mut settings = support::settings(ShardFormat::Parquet, OutputDtype::F32, Pool::None, 8);
    settings.shard_inputs = 3;
    settings
}

/// Not a test: the other process. It stops in the middle of the job, and waits.
#[test]
#[ignore = "the other test starts it as a process"]
fn other_process() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let mut job = Job::open(dir, &settings(), (0..INPUTS).map(Ok)).unwrap();
    for input in 0..20 {
        support::stored(input, 8).push(&mut job);
        job.end_batch().unwrap();
    }
    println!("\nREADY");
    std::thread::sleep(std::time::Duration::from_secs(600));
}

/// Ends the other process, also if the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start(dir: &Path) -> Killed {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "other_process", "--ignored", "--nocapture"]);
    command.env(DIR, dir).stdout(Stdio::piped());
    let mut child = Killed(command.spawn().unwrap());
    let output = BufReader::new(child.0.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "READY"));
    child
}

#[test]
fn a_killed_process_leaves_a_job_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let other = start(dir.path());
    let open = || Job::open(dir.path(), &settings(), (0..INPUTS).map(Ok));
    let error = open().unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    assert!(
        error.to_string().contains("wait for it, stop it"),
        "{error}"
    );
    drop(other);

    let mut job = open().unwrap();
    // Every batch that had ended, also those of the shard that was open.
    assert_eq!(job.done(), 20);
    for input in job.done()..INPUTS {
        support::stored(input, 8).push(&mut job);
        job.end_batch().unwrap();
    }
    job.finish().unwrap();
    drop(job);

    let whole = tempfile::tempdir().unwrap();
    support::run(whole.path(), &settings(), INPUTS);
    let names = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(dir.path()), names(whole.path()));
    for name in names(dir.path()) {
        let read = |dir: &Path| std::fs::read(dir.join(&name)).unwrap();
        assert!(read(dir.path()) == read(whole.path()), "{name:?}");
    }
}
