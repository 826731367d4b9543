use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use glm4v_shards::Plan;

use crate::HubError;
use crate::hf_cache::SINGLE;
use crate::tower_cache::{remove_dir, write_atomically};

/// A fetch that is not finished. Its folder has the incomplete `checkpoint/`, the plan of the fetch, and one mark for
/// each chunk that is complete. The checkpoint is renamed when all chunks are.
pub(crate) struct PartialFetch {
    dir: PathBuf,
    /// One byte for each chunk. A single byte cannot be half written when the program is stopped.
    marks: Mutex<File>,
    done: Vec<bool>,
}

const PLAN: &str = "plan.json";
const MARKS: &str = "chunks";
const CHECKPOINT: &str = "checkpoint";
const DONE: u8 = b'1';
const NOT_DONE: u8 = b'0';

impl PartialFetch {
    /// Continues the fetch in `dir` if its plan is the same. Otherwise starts a new one.
    pub(crate) fn open(dir: &Path, plan: &Plan) -> Result<Self, HubError> {
        let text = serde_json::to_string(plan).expect("a plan is JSON");
        if !continues(dir, plan, &text) {
            begin(dir, plan, &text)?;
        }
        let path = dir.join(MARKS);
        let marks = fs::read(&path).map_err(HubError::io(&path))?;
        let file = File::options()
            .write(true)
            .open(&path)
            .map_err(HubError::io(&path))?;
        Ok(Self {
            dir: dir.to_owned(),
            marks: Mutex::new(file),
            done: marks.into_iter().map(|mark| mark == DONE).collect(),
        })
    }

    /// Whether chunk `number` was complete when this was opened.
    pub(crate) fn is_done(&self, number: usize) -> bool {
        self.done[number]
    }

    /// Records that chunk `number` is on disk.
    pub(crate) fn mark(&self, number: usize) -> Result<(), HubError> {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let seek = marks.seek(SeekFrom::Start(number as u64));
        seek.and_then(|_| marks.write_all(&[DONE]))
            .map_err(HubError::io(&self.dir.join(MARKS)))
    }

    pub(crate) fn weights(&self) -> PathBuf {
        self.dir.join(CHECKPOINT).join(SINGLE)
    }

    /// Writes a small file beside the weights.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), HubError> {
        write_atomically(&self.dir.join(CHECKPOINT).join(name), text.as_bytes())
    }

    /// Moves the complete checkpoint to `target`.
    pub(crate) fn finish(self, target: &Path) -> Result<(), HubError> {
        let parent = target.parent().expect("a folder of snapshots");
        fs::create_dir_all(parent).map_err(HubError::io(parent))?;
        // If there is one, it is incomplete: a complete one is not fetched again.
        remove_dir(target)?;
        fs::rename(self.dir.join(CHECKPOINT), target).map_err(HubError::io(target))?;
        drop(self.marks);
        remove_dir(&self.dir)
    }
}

fn continues(dir: &Path, plan: &Plan, text: &str) -> bool {
    let file_bytes = dir
        .join(CHECKPOINT)
        .join(SINGLE)
        .metadata()
        .map(|metadata| metadata.len());
    let marks = fs::read(dir.join(MARKS)).unwrap_or_default();
    fs::read_to_string(dir.join(PLAN)).is_ok_and(|old| old == text)
        && file_bytes.is_ok_and(|bytes| bytes == plan.file_bytes)
        && marks.len() == plan.chunks.len()
}

/// Writes the plan last. A folder without a plan is ignored.
fn begin(dir: &Path, plan: &Plan, text: &str) -> Result<(), HubError> {
    remove_dir(dir)?;
    let checkpoint = dir.join(CHECKPOINT);
    fs::create_dir_all(&checkpoint).map_err(HubError::io(&checkpoint))?;
    let path = checkpoint.join(SINGLE);
    let write = || {
        let mut file = File::create_new(&path)?;
        file.write_all(&plan.head())?;
        file.set_len(plan.file_bytes)?;
        file.sync_data()
    };
    write().map_err(HubError::writing(&path, plan.file_bytes))?;
    write_atomically(&dir.join(MARKS), &vec![NOT_DONE; plan.chunks.len()])?;
    write_atomically(&dir.join(PLAN), text.as_bytes())
}
