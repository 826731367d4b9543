//! A second attempt for failed inputs.

use super::*;

fn complete(dir: &Path, settings: &Settings) -> Job {
    run(dir, settings).unwrap();
    Job::open(dir, settings, inputs()).unwrap()
}

/// Gives a second attempt to all failed inputs. It fails again for `failing`.
fn retry(job: &mut Job, failing: &[usize]) -> Result<Summary, StoreError> {
    job.retry()?;
    for input in job.failed() {
        with_record(input, failing.contains(&input), |record| {
            job.push_retried(input, record)
        })?;
        job.end_batch()?;
    }
    job.finish()
}

#[test]
fn inputs_that_succeed_get_a_row_of_their_own() {
    for format in ShardFormat::ALL {
        let settings = settings(format);
        let dir = tempfile::tempdir().unwrap();
        let mut job = complete(dir.path(), &settings);
        let before = files(dir.path());
        assert_eq!(job.failed(), [4, 9]);
        let summary = retry(&mut job, &[4]).unwrap();
        assert_eq!(
            (summary.encoded, summary.failed, summary.shards),
            (11, 1, 4)
        );
        assert_eq!(job.failed(), [4]);
        // Nothing of the first attempt changes, apart from the summary.
        let after = files(dir.path());
        for (name, content) in &before {
            let is_same = after[name].starts_with(content);
            assert!(is_same || name == "summary.json", "{name}");
        }
        let shard = format!("shard-000003.{format}");
        assert!(after.contains_key(&shard), "{:?}", after.keys());
        drop(job);

        // A third attempt, and then there is nothing to do.
        let mut job = Job::open(dir.path(), &settings, inputs()).unwrap();
        assert_eq!(job.summary(), Some(summary));
        let summary = retry(&mut job, &[]).unwrap();
        assert_eq!(
            (summary.encoded, summary.failed, summary.shards),
            (12, 0, 5)
        );
        assert_eq!(job.failed(), [0; 0]);
    }
}

/// Such as a row that is too long for the format.
#[test]
fn a_row_that_cannot_be_stored_does_not_end_a_second_attempt() {
    for format in ShardFormat::ALL {
        let dir = tempfile::tempdir().unwrap();
        let mut job = complete(dir.path(), &settings(format));
        job.retry().unwrap();
        let refused = with_record(4, false, |record| {
            let mut cut = Record {
                outcome: record.outcome.clone(),
                ..*record
            };
            if let Ok(encoded) = &mut cut.outcome {
                encoded.tokens = &encoded.tokens[1..];
            }
            job.push_retried(4, &cut)
        });
        assert!(
            matches!(refused, Err(StoreError::Record { .. })),
            "{refused:?}"
        );
        with_record(4, true, |record| job.push_retried(4, record)).unwrap();
        with_record(9, false, |record| job.push_retried(9, record)).unwrap();
        job.end_batch().unwrap();
        assert_eq!(job.finish().unwrap().failed, 1);
        assert_eq!(job.failed(), [4]);
    }
}

/// Each input closes a shard, so that one is being written when the next input comes.
#[test]
fn a_second_attempt_can_have_many_shards() {
    let settings = Settings {
        shard_inputs: 1,
        ..settings(ShardFormat::Parquet)
    };
    let dir = tempfile::tempdir().unwrap();
    let mut job = complete(dir.path(), &settings);
    let shards = job.summary().unwrap().shards;
    job.retry().unwrap();
    let again =
        |job: &mut Job, input| with_record(input, false, |record| job.push_retried(input, record));
    for input in [4, 9] {
        again(&mut job, input).unwrap();
        job.end_batch().unwrap();
        assert!(matches!(
            again(&mut job, input),
            Err(StoreError::Record { .. })
        ));
    }
    let summary = job.finish().unwrap();
    assert_eq!((summary.failed, summary.shards), (0, shards + 2));
}

#[test]
fn a_second_attempt_that_fails_changes_nothing() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    let mut job = complete(dir.path(), &settings);
    let before = files(dir.path());
    retry(&mut job, &[4, 9]).unwrap();
    assert!(files(dir.path()) == before);
}

#[test]
fn an_interrupted_second_attempt_is_repeated() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    drop(complete(dir.path(), &settings));
    let whole = files(dir.path());
    let expected = {
        let mut job = Job::open(dir.path(), &settings, inputs()).unwrap();
        retry(&mut job, &[]).unwrap();
        files(dir.path())
    };
    for mode in [Mode::Error, Mode::Death] {
        let mut fail_at = 0;
        loop {
            let dir = tempfile::tempdir().unwrap();
            for (name, content) in &whole {
                fs::write(dir.path().join(name), content).unwrap();
            }
            let disk = FailingDisk::new(fail_at, mode);
            let steps = disk.steps();
            let attempt = Job::open_on(Arc::new(disk), dir.path(), &settings, inputs())
                .and_then(|mut job| retry(&mut job, &[]));
            if !steps.has_failed() {
                attempt.unwrap();
                break;
            }
            // The same command: it completes the job first, and then tries what still failed.
            run(dir.path(), &settings).unwrap();
            let mut job = Job::open(dir.path(), &settings, inputs()).unwrap();
            if !job.failed().is_empty() {
                retry(&mut job, &[]).unwrap();
            }
            drop(job);
            assert!(files(dir.path()) == expected, "{mode:?}, step {fail_at}");
            fail_at += 1;
        }
        assert!(fail_at > 5, "{fail_at} steps only");
    }
}

#[test]
fn only_failed_inputs_of_a_complete_job_get_a_second_attempt() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    let mut job = Job::open(dir.path(), &settings, inputs()).unwrap();
    push(&mut job, 0).unwrap();
    assert!(matches!(job.retry(), Err(StoreError::Unfinished { .. })));
    drop(job);
    let mut job = complete(dir.path(), &settings);
    let again =
        |job: &mut Job, input| with_record(input, false, |record| job.push_retried(input, record));
    assert!(
        again(&mut job, 4).is_err(),
        "the second attempt was not started"
    );
    job.retry().unwrap();
    assert!(matches!(push(&mut job, 4), Err(StoreError::TooMany { .. })));
    assert!(matches!(again(&mut job, 0), Err(StoreError::Record { .. })));
    again(&mut job, 4).unwrap();
    assert!(matches!(again(&mut job, 4), Err(StoreError::Record { .. })));
    assert_eq!(job.finish().unwrap().failed, 1);
}
