//! Every operation of the disk fails once. The job continues, and ends with the same bytes.

use super::*;

const KINDS: [(ShardFormat, Mode); 4] = [
    (ShardFormat::Parquet, Mode::Error),
    (ShardFormat::Parquet, Mode::Death),
    (ShardFormat::Safetensors, Mode::Error),
    (ShardFormat::Safetensors, Mode::Death),
];

/// No file is half-written under its final name. Only the journal may have a line that is cut, and the rows of the open shard
/// may end anywhere.
fn check_names(dir: &Path, whole: &BTreeMap<String, Vec<u8>>, mode: Mode) {
    for (name, content) in files(dir) {
        if name.ends_with(".tmp") {
            assert_eq!(mode, Mode::Death, "{name} is left over");
        } else if RowFile::is_name(&name) {
            continue;
        } else if name == "journal.jsonl" {
            assert!(whole[&name].starts_with(&content), "{name}");
        } else {
            assert!(whole[&name] == content, "{name}");
        }
    }
}

#[test]
fn after_one_failure_at_any_step() {
    for (format, mode) in KINDS {
        let settings = settings(format);
        let whole = uninterrupted(&settings);
        let mut fail_at = 0;
        loop {
            let dir = tempfile::tempdir().unwrap();
            let disk = FailingDisk::new(fail_at, mode);
            let steps = disk.steps();
            let result = run_on(Arc::new(disk), dir.path(), &settings);
            if !steps.has_failed() {
                result.unwrap();
                break;
            }
            if let Err(error) = &result {
                let text = error.to_string();
                assert!(text.contains(&dir.path().display().to_string()), "{text}");
                assert!(matches!(error, StoreError::NoSpace { .. }), "{text}");
            }
            check_names(dir.path(), &whole, mode);
            run(dir.path(), &settings).unwrap();
            assert!(
                files(dir.path()) == whole,
                "{format}, {mode:?}, step {fail_at}"
            );
            fail_at += 1;
        }
        // Start, shards, journal and end: far more steps than files.
        assert!(fail_at > 40, "{fail_at} steps only");
    }
}

/// A power failure must not leave a name without its content, nor a line of the journal without its shard.
#[test]
fn everything_is_synced_before_it_counts() {
    for format in ShardFormat::ALL {
        let dir = tempfile::tempdir().unwrap();
        let disk = FailingDisk::new(usize::MAX, Mode::Error);
        let steps = disk.steps();
        run_on(Arc::new(disk), dir.path(), &settings(format)).unwrap();
        // Rows are written by another thread than shards.
        let mut log = steps.log();
        log.retain(|(_, file)| !RowFile::is_name(file));
        let mut shards = 0;
        for (place, (operation, file)) in log.iter().enumerate() {
            let before = |name: &str| log[..place].iter().rev().find(|(_, file)| file == name);
            match *operation {
                "rename" => {
                    let last = before(&format!("{file}.tmp")).unwrap();
                    assert_eq!(last.0, "sync", "{file}");
                    assert_eq!(log[place + 1].0, "sync_dir", "{file}");
                }
                "write" if file == "journal.jsonl" => {
                    let shard = format!("shard-{shards:06}.{format}");
                    assert_eq!(before(&shard).unwrap().0, "rename", "{shard}");
                    assert_eq!(log[place + 1], ("sync", file.clone()));
                    shards += 1;
                }
                _ => {}
            }
        }
        assert_eq!(shards, 3, "{log:?}");
        let last = log
            .iter()
            .rposition(|(operation, _)| *operation == "rename");
        assert_eq!(log[last.unwrap()].1, "summary.json");
    }
}

#[test]
fn after_many_failures_in_a_row() {
    for (format, mode) in KINDS {
        let settings = settings(format);
        let whole = uninterrupted(&settings);
        for first in 0..6 {
            let dir = tempfile::tempdir().unwrap();
            let mut fail_at = first;
            loop {
                let disk = FailingDisk::new(fail_at, mode);
                if run_on(Arc::new(disk), dir.path(), &settings).is_ok() {
                    break;
                }
                check_names(dir.path(), &whole, mode);
                fail_at += 1;
            }
            assert!(
                files(dir.path()) == whole,
                "{format}, {mode:?}, from step {first}"
            );
        }
    }
}

#[test]
fn after_an_error_the_job_refuses_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(ShardFormat::Parquet);
    // Steps 0 to 9 write the list and the manifest.
    let disk = FailingDisk::new(10, Mode::Error);
    let mut job = Job::open_on(Arc::new(disk), dir.path(), &settings, inputs()).unwrap();
    assert!(matches!(push(&mut job, 0), Err(StoreError::NoSpace { .. })));
    for result in [push(&mut job, 0), job.end_batch(), job.finish().map(drop)] {
        assert!(matches!(result, Err(StoreError::Stopped { .. })));
    }
}

/// The failure of a shard is returned by the call that learns of it, and the job then stops.
#[test]
fn after_an_error_of_the_thread_the_job_refuses_to_go_on() {
    for format in ShardFormat::ALL {
        let settings = settings(format);
        let disk = FailingDisk::new(usize::MAX, Mode::Error);
        let steps = disk.steps();
        let dir = tempfile::tempdir().unwrap();
        run_on(Arc::new(disk), dir.path(), &settings).unwrap();
        let log = steps.log();
        let rename = log.iter().position(|(operation, file)| {
            *operation == "rename" && *file == format!("shard-000000.{format}")
        });

        let dir = tempfile::tempdir().unwrap();
        // The threads may take turns in another way, but one of the steps up to here is a step of the shard.
        let disk = Arc::new(FailingDisk::new(rename.unwrap(), Mode::Death));
        let mut job = Job::open_on(disk, dir.path(), &settings, inputs()).unwrap();
        let mut error = None;
        for input in 0..INPUTS {
            let pushed = push(&mut job, input);
            let pushed = match BATCHES.contains(&(input + 1)) {
                true => pushed.and_then(|()| job.end_batch()),
                false => pushed,
            };
            if let Err(first) = pushed {
                error = Some(first);
                break;
            }
        }
        let error = error.unwrap_or_else(|| job.finish().unwrap_err());
        assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
        let later = [push(&mut job, 0), job.end_batch(), job.finish().map(drop)];
        for result in later {
            assert!(matches!(result, Err(StoreError::Stopped { .. })));
        }
        // Finished batches stay.
        job.discard().unwrap();
        assert!(dir.path().join("manifest.json").exists());
        run(dir.path(), &settings).unwrap();
        assert!(files(dir.path()) == uninterrupted(&settings));
    }
}

/// A real file system that is full. It needs the permission to mount one.
#[test]
#[cfg(target_os = "linux")]
fn on_a_full_disk() {
    let Some(mounted) = Mounted::new("256k") else {
        eprintln!("SKIPPED on_a_full_disk: mounting a tmpfs is not permitted");
        return;
    };
    let mut settings = settings(ShardFormat::Parquet);
    settings.width = 1 << 14;
    let job_dir = mounted.0.path().join("job");
    let fill = mounted.0.path().join("fill");
    fs::write(&fill, vec![0; 128 << 10]).unwrap();

    let error = run_wide(&job_dir, &settings).unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(files(&job_dir).keys().all(|name| !name.ends_with(".tmp")));

    fs::remove_file(fill).unwrap();
    run_wide(&job_dir, &settings).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    run_wide(elsewhere.path(), &settings).unwrap();
    assert!(files(&job_dir) == files(elsewhere.path()));
}

/// Runs a job with four shards of 32 KiB.
#[cfg(target_os = "linux")]
fn run_wide(dir: &Path, settings: &Settings) -> Result<Summary, StoreError> {
    let tokens = vec![0.5; settings.width];
    let mut job = Job::open(dir, settings, inputs())?;
    for input in job.done()..INPUTS {
        let encoded = Encoded {
            grid: GridThw::new(1, 2, 2),
            tokens: &tokens,
            video: None,
        };
        job.push(&Record {
            id: "a",
            path: Path::new("a"),
            sha256: None,
            outcome: if input % 3 == 0 {
                Ok(encoded)
            } else {
                Err("no image")
            },
        })?;
        job.end_batch()?;
    }
    job.finish()
}

/// A small file system.
#[cfg(target_os = "linux")]
struct Mounted(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        let options = format!("size={size}");
        mount
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path());
        let done = mount.output().is_ok_and(|output| output.status.success());
        done.then_some(Self(dir))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        let mut unmount = std::process::Command::new("umount");
        unmount.arg("--lazy").arg(self.0.path()).status().ok();
    }
}
