//! The rows of the open shard survive an interruption, if their batch had ended.

use super::*;

/// The rows of the first shard, and of the second one.
const ROWS: [&str; 2] = ["shard-000000.rows", "shard-000001.rows"];

/// Copies the files of a job into a new directory, with other rows of a shard.
fn with_rows(files: &BTreeMap<String, Vec<u8>>, name: &str, rows: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    fs::write(dir.path().join(name), rows).unwrap();
    dir
}

/// A job after four batches: 5 inputs are in a shard, and those of two batches wait for theirs.
fn interrupted(settings: &Settings) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(4, dir.path(), settings);
    files(dir.path())
}

fn wide_settings(format: ShardFormat) -> Settings {
    Settings {
        shard_bytes: 1 << 20,
        shard_inputs: 5,
        ..settings(format)
    }
}

#[test]
fn every_cut_of_the_rows_is_continued_after_a_whole_batch() {
    for format in ShardFormat::ALL {
        let settings = wide_settings(format);
        let (whole, files) = (uninterrupted(&settings), interrupted(&settings));
        let rows = &files[ROWS[1]];
        let mut found = Vec::new();
        // 7 bytes are less than any part of a frame.
        for cut in (0..rows.len()).step_by(7).chain([rows.len()]) {
            let dir = with_rows(&files, ROWS[1], &rows[..cut]);
            // It does not sync, which takes most of the time.
            let disk = Arc::new(FailingDisk::new(usize::MAX, Mode::Error));
            let job = Job::open_on(disk, dir.path(), &settings, inputs()).unwrap();
            found.push(job.done());
            drop(job);
            run(dir.path(), &settings).unwrap();
            assert!(super::files(dir.path()) == whole, "{format}, {cut} bytes");
        }
        found.dedup();
        assert_eq!(found, [5, 6, 9], "{format}");
    }
}

#[test]
fn damaged_rows_are_encoded_again() {
    let settings = wide_settings(ShardFormat::Parquet);
    let (whole, files) = (uninterrupted(&settings), interrupted(&settings));
    let rows = &files[ROWS[1]];
    for place in (0..rows.len()).step_by(5) {
        let mut damaged = rows.clone();
        damaged[place] ^= 0x21;
        let dir = with_rows(&files, ROWS[1], &damaged);
        run(dir.path(), &settings).unwrap();
        assert!(super::files(dir.path()) == whole, "byte {place}");
    }
    // A power failure can leave zeros.
    for zeros in [16, 4096] {
        let dir = with_rows(&files, ROWS[1], &[rows.clone(), vec![0; zeros]].concat());
        run(dir.path(), &settings).unwrap();
        assert!(super::files(dir.path()) == whole, "{zeros} zeros");
    }
}

/// Rows with a right checksum that no job of this width writes.
#[test]
fn impossible_rows_are_encoded_again() {
    let frame = |head: &str, values: &[u8]| {
        let mut hash = crc32fast::Hasher::new();
        hash.update(head.as_bytes());
        hash.update(values);
        let mut frame = (head.len() as u32).to_le_bytes().to_vec();
        frame.extend((values.len() as u64).to_le_bytes());
        frame.extend(hash.finalize().max(1).to_le_bytes());
        [&frame[..], head.as_bytes(), values].concat()
    };
    let row = |tokens: usize, values: &[u8]| {
        let outcome =
            format!(r#"{{"Ok": {{"grid": [1, 2, 2], "tokens": {tokens}, "video": null}}}}"#);
        let head = format!(
            r#"{{"input": 9, "id": "x", "path": "x", "path_bytes": null, "sha256": null, "outcome": {outcome}}}"#
        );
        [frame(&head, values), frame("", &[])].concat()
    };
    for pool in [Pool::None, Pool::Mean] {
        for format in ShardFormat::ALL {
            let settings = Settings {
                pool,
                ..wide_settings(format)
            };
            let (whole, files) = (uninterrupted(&settings), interrupted(&settings));
            // Three values of two bytes are a token.
            for (tokens, bytes) in [(1, 7), (0, 6), (usize::MAX, 0), (2, 18), (1, 0)] {
                let rows = [&files[ROWS[1]][..], &row(tokens, &vec![0; bytes])].concat();
                let dir = with_rows(&files, ROWS[1], &rows);
                run(dir.path(), &settings).unwrap();
                assert!(
                    super::files(dir.path()) == whole,
                    "{tokens} tokens in {bytes} bytes"
                );
            }
        }
    }
}

#[test]
fn rows_of_a_finished_shard_are_removed() {
    let settings = wide_settings(ShardFormat::Parquet);
    let whole = uninterrupted(&settings);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(1, dir.path(), &settings);
    let rows = fs::read(dir.path().join(ROWS[0])).unwrap();
    for name in [ROWS[0], "shard-000007.rows"] {
        let dir = with_rows(&whole, name, &rows);
        run(dir.path(), &settings).unwrap();
        assert!(files(dir.path()) == whole, "{name}");
    }
    for name in ["notes.rows", "shard-1.rows", "shard-old.rows"] {
        let dir = with_rows(&whole, name, &rows);
        run(dir.path(), &settings).unwrap();
        assert!(files(dir.path()).contains_key(name), "{name} is the user's");
    }
}

/// A process can end while one shard is written and the next one is filled.
#[test]
fn a_full_shard_and_the_rows_behind_it_are_recovered() {
    for format in ShardFormat::ALL {
        let settings = wide_settings(format);
        let whole = uninterrupted(&settings);
        let open = Settings {
            shard_inputs: 100,
            ..settings.clone()
        };
        let dir = tempfile::tempdir().unwrap();
        interrupt_after(2, dir.path(), &open);
        let full = fs::read(dir.path().join(ROWS[0])).unwrap();
        let behind = &interrupted(&settings)[ROWS[1]];
        // A power failure can take rows of the full shard, and leave those behind it.
        for (lost, done) in [(0, 9), (1, 2), (full.len(), 0)] {
            let dir = tempfile::tempdir().unwrap();
            drop(Job::open(dir.path(), &settings, inputs()).unwrap());
            fs::write(dir.path().join(ROWS[0]), &full[..full.len() - lost]).unwrap();
            fs::write(dir.path().join(ROWS[1]), behind).unwrap();
            let job = Job::open(dir.path(), &settings, inputs()).unwrap();
            assert_eq!(job.done(), done, "{format}, {lost} bytes lost");
            drop(job);
            run(dir.path(), &settings).unwrap();
            assert!(files(dir.path()) == whole, "{format}, {lost} bytes lost");
        }
    }
}

#[test]
fn a_full_shard_is_closed_before_the_job_goes_on() {
    let settings = wide_settings(ShardFormat::Safetensors);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(1, dir.path(), &settings);
    // The disk fails while the first shard is closed, at the end of the second batch.
    let mut fail_at = 0;
    loop {
        let other = tempfile::tempdir().unwrap();
        for (name, content) in files(dir.path()) {
            fs::write(other.path().join(name), content).unwrap();
        }
        let disk = FailingDisk::new(fail_at, Mode::Death);
        let steps = disk.steps();
        let result = run_on(Arc::new(disk), other.path(), &settings);
        run(other.path(), &settings).unwrap();
        assert!(
            files(other.path()) == uninterrupted(&settings),
            "step {fail_at}"
        );
        if !steps.has_failed() {
            result.unwrap();
            break;
        }
        fail_at += 1;
    }
}
