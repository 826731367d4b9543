use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use glm4v_config::GridThw;

use self::failing_disk::{FailingDisk, Mode};
use super::*;
use crate::record::{Encoded, Record, VideoInfo};
use crate::{OutputDtype, Pool, ShardFormat, Split};

mod changes;
mod damage;
mod failing_disk;
mod failures;
mod retry;
mod rows;
mod rules;

/// Where the batches of the test job end.
const BATCHES: [usize; 6] = [2, 5, 6, 9, 10, 12];
const INPUTS: usize = 12;
const WIDTH: usize = 3;

fn settings(format: ShardFormat) -> Settings {
    Settings {
        version: "0.1.0".into(),
        model: "tiny".into(),
        fingerprint: "f00d".into(),
        width: WIDTH,
        dtype: "f32".into(),
        kernels: "generic".into(),
        device: "cpu".into(),
        options: [("max_tokens".into(), 64.into())].into(),
        batch_limits: [("max_patches".into(), 1024.into())].into(),
        format,
        output_dtype: OutputDtype::F16,
        pool: Pool::None,
        shard_bytes: 50,
        shard_inputs: 4,
        split: Split::WHOLE,
    }
}

fn inputs() -> impl Iterator<Item = io::Result<String>> {
    (0..INPUTS).map(|input| Ok(format!("image-{input}.png")))
}

/// Pushes the record of an input: embeddings of an image or of a video, or an error.
fn push(job: &mut Job, input: usize) -> Result<(), StoreError> {
    with_record(input, input % 5 == 4, |record| job.push(record))
}

/// Passes on the record of an input, which fails or has embeddings.
fn with_record<T>(input: usize, fails: bool, use_record: impl FnOnce(&Record<'_>) -> T) -> T {
    let path = format!("image-{input}.png");
    let tokens: Vec<f32> = (0..WIDTH * (1 + input % 4))
        .map(|place| (input * 100 + place) as f32)
        .collect();
    let video = VideoInfo {
        indices: &[0, 2, 4, 6],
        timestamps: &[0.0, 1.5],
        fps: Some(24.0),
        duration: None,
        total_frames: Some(7),
    };
    let encoded = Encoded {
        grid: GridThw::new(1, 2, 2 * (1 + input % 4)),
        tokens: &tokens,
        video: (input % 4 == 3).then_some(video),
    };
    use_record(&Record {
        id: &format!("id-{input}"),
        path: Path::new(&path),
        sha256: input.is_multiple_of(2).then_some([input as u8; 32]),
        outcome: match fails {
            true => Err("not an image"),
            false => Ok(encoded),
        },
    })
}

/// Runs the job from where it is to its end.
fn run_on(disk: Arc<dyn Disk>, dir: &Path, settings: &Settings) -> Result<Summary, StoreError> {
    let mut job = Job::open_on(disk, dir, settings, inputs())?;
    let done = job.done();
    let mut next = done;
    for end in BATCHES.into_iter().filter(|&end| end > done) {
        for input in next..end {
            push(&mut job, input)?;
        }
        job.end_batch()?;
        next = end;
    }
    job.finish()
}

fn run(dir: &Path, settings: &Settings) -> Result<Summary, StoreError> {
    // It does not sync, which takes most of the time.
    let disk = FailingDisk::new(usize::MAX, Mode::Error);
    run_on(Arc::new(disk), dir, settings)
}

/// Runs the job up to the end of batch `batches`, and leaves it without a word.
fn interrupt_after(batches: usize, dir: &Path, settings: &Settings) {
    let mut job = Job::open(dir, settings, inputs()).unwrap();
    let mut next = 0;
    for end in &BATCHES[..batches] {
        for input in next..*end {
            push(&mut job, input).unwrap();
        }
        job.end_batch().unwrap();
        next = *end;
    }
}

/// All files of a directory.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = directory::names(dir).unwrap().into_iter();
    names
        .map(|name| {
            let content = fs::read(dir.join(&name)).unwrap();
            (name, content)
        })
        .collect()
}

/// The files of a job that was never interrupted.
fn uninterrupted(settings: &Settings) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), settings).unwrap();
    files(dir.path())
}
