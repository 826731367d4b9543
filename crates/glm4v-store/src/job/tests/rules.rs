//! What a job accepts, and in which order.

use super::*;

#[test]
fn the_same_records_give_the_same_bytes() {
    for format in ShardFormat::ALL {
        let settings = settings(format);
        assert!(uninterrupted(&settings) == uninterrupted(&settings));
    }
}

#[test]
fn a_job_may_move_to_another_thread() {
    fn check<T: Send>() {}
    check::<Job>();
}

#[test]
fn a_complete_job_returns_its_summary_at_once() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    let summary = run(dir.path(), &settings).unwrap();
    assert_eq!(
        (summary.inputs, summary.encoded, summary.failed),
        (12, 10, 2)
    );
    // Inputs 4 and 9 fail. The others have 1 + n % 4 tokens.
    assert_eq!((summary.tokens, summary.shards), (27, 3));
    let mut job = Job::open(dir.path(), &settings, inputs()).unwrap();
    assert_eq!(
        (job.summary(), job.done(), job.len()),
        (Some(summary), 12, 12)
    );
    assert_eq!(job.finish().unwrap(), summary);
    assert!(matches!(push(&mut job, 0), Err(StoreError::TooMany { .. })));
    assert_eq!(job.summary(), Some(summary));
}

#[test]
fn a_shard_ends_with_a_batch() {
    let settings = settings(ShardFormat::Parquet);
    let whole = uninterrupted(&settings);
    let journal = String::from_utf8(whole["journal.jsonl"].clone()).unwrap();
    let ends: Vec<usize> = journal
        .lines()
        .map(|line| {
            let entry: journal::Entry = serde_json::from_str(line).unwrap();
            entry.first_input + entry.inputs
        })
        .collect();
    assert_eq!(ends.last(), Some(&INPUTS));
    assert!(ends.iter().all(|end| BATCHES.contains(end)), "{ends:?}");
    assert!(
        ends.len() < BATCHES.len(),
        "a shard has several batches: {ends:?}"
    );
}

#[test]
fn a_second_job_in_the_directory_is_refused() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    let job = Job::open(dir.path(), &settings, inputs()).unwrap();
    let attempts = std::thread::scope(|scope| {
        let open = || Job::open(dir.path(), &settings, inputs()).map(drop);
        let threads = [scope.spawn(open), scope.spawn(open)];
        threads.map(|thread| thread.join().unwrap())
    });
    for attempt in attempts {
        assert!(matches!(attempt, Err(StoreError::Busy { .. })));
    }
    drop(job);
    run(dir.path(), &settings).unwrap();
}

#[test]
fn a_job_resumes_with_its_stored_list() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Job::resume(dir.path(), &settings),
        Err(StoreError::NoJob { .. })
    ));
    assert!(files(dir.path()).is_empty());
    interrupt_after(3, dir.path(), &settings);
    let job = Job::resume(dir.path(), &settings).unwrap();
    assert_eq!(job.done(), BATCHES[2]);
    let stored: Vec<String> = job.inputs().unwrap().map(Result::unwrap).collect();
    assert_eq!(stored, inputs().map(Result::unwrap).collect::<Vec<_>>());
    let wrong = job
        .inputs::<u32>()
        .unwrap()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("inputs.jsonl: line 1: not an input"),
        "{wrong}"
    );
    drop(job);
    let mut other = settings.clone();
    other.dtype = "bf16".into();
    assert!(matches!(
        Job::resume(dir.path(), &other),
        Err(StoreError::Changed { .. })
    ));
}

#[test]
fn a_record_that_cannot_be_stored_leaves_the_job_as_it_was() {
    let settings = settings(ShardFormat::Parquet);
    let whole = uninterrupted(&settings);
    let dir = tempfile::tempdir().unwrap();
    let mut job = Job::open(dir.path(), &settings, inputs()).unwrap();
    let record = |tokens| Record {
        id: "wrong",
        path: Path::new("wrong.png"),
        sha256: None,
        outcome: Ok(Encoded {
            grid: GridThw::new(1, 2, 2),
            tokens,
            video: None,
        }),
    };
    for tokens in [&[][..], &[1.0, 2.0], &[1.0; 4]] {
        let error = job.push(&record(tokens)).unwrap_err().to_string();
        let found = tokens.len();
        assert_eq!(
            error,
            format!("input `wrong`: expected rows of 3 values, found {found} values")
        );
    }
    let early = job.finish().unwrap_err().to_string();
    assert!(early.contains("expected 12 records, found 0"), "{early}");
    let mut next = 0;
    for end in BATCHES {
        (next..end).for_each(|input| push(&mut job, input).unwrap());
        job.end_batch().unwrap();
        next = end;
    }
    assert!(matches!(push(&mut job, 0), Err(StoreError::TooMany { .. })));
    job.finish().unwrap();
    drop(job);
    assert!(files(dir.path()) == whole);
}

#[test]
fn shares_are_the_whole_together() {
    let mut all = Vec::new();
    for index in 0..3 {
        let mut settings = settings(ShardFormat::Safetensors);
        settings.split = Split::new(index, 3).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let job = Job::open(dir.path(), &settings, inputs()).unwrap();
        assert_eq!(job.len(), 4);
        all.extend(job.inputs::<String>().unwrap().map(Result::unwrap));
    }
    all.sort();
    let mut expected: Vec<String> = inputs().map(Result::unwrap).collect();
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn a_list_that_cannot_be_read_starts_no_job() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    let broken = inputs()
        .take(3)
        .chain([Err(io::Error::other("pipe closed"))]);
    let error = Job::open(dir.path(), &settings, broken)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "the list of inputs: pipe closed");
    assert_eq!(files(dir.path()).into_keys().collect::<Vec<_>>(), ["lock"]);
    run(dir.path(), &settings).unwrap();
}

#[test]
fn a_job_without_inputs_is_complete_at_once() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    let none = std::iter::empty::<io::Result<String>>();
    let mut job = Job::open(dir.path(), &settings, none).unwrap();
    assert!(job.is_empty());
    assert_eq!(job.finish().unwrap(), Summary::default());
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut bf16 = settings(ShardFormat::Parquet);
    bf16.output_dtype = OutputDtype::Bf16;
    let error = run(dir.path(), &bf16).unwrap_err().to_string();
    assert!(
        error.contains("choose f16 or f32, or the format safetensors"),
        "{error}"
    );
    assert!(files(dir.path()).is_empty());
    bf16.format = ShardFormat::Safetensors;
    run(dir.path(), &bf16).unwrap();
}
