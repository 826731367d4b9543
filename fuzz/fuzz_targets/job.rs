//! The files of a job that was interrupted and then damaged. A job that is opened all the same is continued to its end.
#![no_main]

use std::fs;
use std::path::Path;

use glm4v_fuzz::scratch;
use glm4v_store::{Encoded, GridThw, Job, OutputDtype, Pool, Record, Settings, ShardFormat, Split};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    /// Inputs that were done.
    done: u8,
    changes: Vec<Change<'a>>,
    /// The shard that gets further rows.
    shard: u8,
    rows: Vec<Row>,
}

/// Bytes in a file are replaced by others.
#[derive(Arbitrary, Debug)]
struct Change<'a> {
    file: u8,
    place: u16,
    removed: u8,
    inserted: &'a [u8],
}

/// A row with a right checksum.
#[derive(Arbitrary, Debug)]
struct Row {
    input: u8,
    tokens: Option<u64>,
    values: u8,
    ends_batch: bool,
}

const FILES: [&str; 4] = [
    "manifest.json",
    "inputs.jsonl",
    "journal.jsonl",
    "summary.json",
];
/// The rows of shards of two inputs.
const ROWS: [&str; 3] = [
    "shard-000000.rows",
    "shard-000001.rows",
    "shard-000002.rows",
];
const INPUTS: usize = 5;

fuzz_target!(|case: Case<'_>| {
    let dir = scratch();
    let settings = settings();
    start(&dir, &settings, usize::from(case.done) % (INPUTS + 1));
    let files = [&FILES[..], &ROWS].concat();
    for change in &case.changes {
        damage(
            &dir.join(files[usize::from(change.file) % files.len()]),
            change,
        );
    }
    let rows: Vec<u8> = case.rows.iter().flat_map(frames).collect();
    if !rows.is_empty() {
        let path = dir.join(ROWS[usize::from(case.shard) % ROWS.len()]);
        let before = fs::read(&path).unwrap_or_default();
        fs::write(&path, [before, rows].concat()).expect("the folder is ours");
    }
    let Ok(mut job) = Job::open(&dir, &settings, (0..INPUTS).map(Ok)) else {
        return;
    };
    assert_eq!(job.len(), INPUTS);
    let done = job.done();
    assert!(done <= INPUTS, "{done} of {INPUTS} inputs are done");
    let inputs = job.inputs::<usize>().expect("a list that was checked");
    let inputs: Vec<usize> = inputs.collect::<Result<_, _>>().expect("our own list");
    assert!(inputs.into_iter().eq(0..INPUTS));
    if job.summary().is_none() {
        (done..INPUTS).for_each(|input| push(&mut job, input));
    }
    let summary = job.finish().expect("a job that was opened");
    assert_eq!(summary.inputs, INPUTS);
    assert_eq!(summary.encoded + summary.failed, INPUTS);
});

fn settings() -> Settings {
    Settings {
        version: "0.1.0".into(),
        model: "tiny".into(),
        fingerprint: "f00d".into(),
        width: 2,
        dtype: "f32".into(),
        kernels: "generic".into(),
        device: "cpu".into(),
        options: [("max_tokens".into(), 64.into())].into(),
        batch_limits: [("max_patches".into(), 1024.into())].into(),
        format: ShardFormat::Safetensors,
        output_dtype: OutputDtype::F32,
        pool: Pool::None,
        shard_bytes: Settings::SHARD_BYTES,
        shard_inputs: 2,
        split: Split::WHOLE,
    }
}

/// A job of which `count` inputs are done.
fn start(dir: &Path, settings: &Settings, count: usize) {
    let mut job = Job::open(dir, settings, (0..INPUTS).map(Ok)).expect("an empty folder");
    (0..count).for_each(|input| push(&mut job, input));
    if count == INPUTS {
        job.finish().expect("all inputs are done");
    }
}

/// Pushes the record of an input. One of them fails.
fn push(job: &mut Job, input: usize) {
    let encoded = Encoded {
        grid: GridThw::new(1, 2, 2),
        tokens: &[1.0, 2.0],
        video: None,
    };
    let record = Record {
        id: &input.to_string(),
        path: Path::new(""),
        sha256: None,
        outcome: if input == 1 {
            Err("not an image")
        } else {
            Ok(encoded)
        },
    };
    job.push(&record).expect("a valid record");
    job.end_batch().expect("the folder is ours");
}

fn damage(path: &Path, change: &Change<'_>) {
    let mut file = fs::read(path).unwrap_or_default();
    let start = usize::from(change.place).min(file.len());
    let end = file.len().min(start + usize::from(change.removed));
    file.splice(start..end, change.inserted.iter().copied());
    fs::write(path, file).expect("the folder is ours");
}

/// The bytes of a row, and of the end of its batch.
fn frames(row: &Row) -> Vec<u8> {
    let outcome = match row.tokens {
        Some(tokens) => format!(r#"{{"Ok":{{"grid":[1,2,2],"tokens":{tokens},"video":null}}}}"#),
        None => r#"{"Err":"not an image"}"#.to_owned(),
    };
    let input = usize::from(row.input) % (INPUTS + 1);
    let head = format!(
        r#"{{"input":{input},"id":"x","path":"","path_bytes":null,"sha256":null,"outcome":{outcome}}}"#
    );
    let mut bytes = frame(head.as_bytes(), &vec![0; usize::from(row.values)]);
    if row.ends_batch {
        bytes.extend(frame(&[], &[]));
    }
    bytes
}

fn frame(head: &[u8], values: &[u8]) -> Vec<u8> {
    let mut hash = crc32fast::Hasher::new();
    hash.update(head);
    hash.update(values);
    let mut frame = (head.len() as u32).to_le_bytes().to_vec();
    frame.extend((values.len() as u64).to_le_bytes());
    frame.extend(hash.finalize().max(1).to_le_bytes());
    [&frame[..], head, values].concat()
}
