//! The manifest, the list of inputs, the journal and the summary of a job that is continued.
#![no_main]

use std::fs;
use std::path::Path;

use glm4v_fuzz::{parts, scratch};
use glm4v_store::{Encoded, GridThw, Job, OutputDtype, Pool, Record, Settings, ShardFormat, Split};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = [
    "manifest.json",
    "inputs.jsonl",
    "journal.jsonl",
    "summary.json",
];
const INPUTS: usize = 5;

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let dir = scratch();
    let settings = settings();
    run(&dir, &settings, 1 + usize::from(which >> 4) % INPUTS);
    let files: [&[u8]; 4] = parts(rest);
    for (number, (name, file)) in NAMES.into_iter().zip(files).enumerate() {
        // Bits of the first byte say which files are replaced, so that the others fit together.
        if which & (1 << number) != 0 {
            fs::write(dir.join(name), file).expect("the folder is ours");
        }
    }
    let Ok(job) = Job::open(&dir, &settings, (0..INPUTS).map(Ok)) else {
        return;
    };
    assert!(
        job.done() <= job.len(),
        "{} of {} inputs are done",
        job.done(),
        job.len()
    );
    let inputs = job.inputs::<usize>().expect("a list that was checked");
    let _: Vec<_> = inputs.take(INPUTS + 1).collect();
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
        shard_inputs: 1,
        split: Split::WHOLE,
    }
}

/// A job of which `count` inputs are done.
fn run(dir: &Path, settings: &Settings, count: usize) {
    let mut job = Job::open(dir, settings, (0..INPUTS).map(Ok)).expect("an empty folder");
    for input in 0..count {
        let record = Record {
            id: &input.to_string(),
            path: Path::new(""),
            sha256: None,
            outcome: Ok(Encoded {
                grid: GridThw::new(1, 2, 2),
                tokens: &[1.0, 2.0],
                video: None,
            }),
        };
        job.push(&record).expect("a valid record");
        job.end_batch().expect("an empty folder");
    }
    if count == INPUTS {
        job.finish().expect("all inputs are done");
    }
}
