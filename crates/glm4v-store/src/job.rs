//! A job: many inputs, encoded into the shards of one directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use self::directory::{refuse_foreign_files, remove_temporary_files};
use self::journal::{Entry, Journal};
use self::list::InputList;
use self::lock::Lock;
use self::manifest::Manifest;
use self::open_shard::OpenShard;
use crate::disk::{Disk, RealDisk};
use crate::hashing::hex;
use crate::new_file::NewFile;
use crate::record::{Encoded, Record, rows};
use crate::settings::Settings;
use crate::shard::{Layout, Row, Values};
use crate::{Pool, StoreError, pool};

mod directory;
mod journal;
mod list;
mod lock;
mod manifest;
mod open_shard;
mod summary;
#[cfg(test)]
mod tests;

pub use list::StoredInputs;
pub use summary::Summary;

/// A directory of shards that is filled input by input, and can be continued after any interruption.
///
/// Push one record for each input of the list, in the order of the list, beginning with number [`Job::done`]. Call
/// [`Job::end_batch`] after each batch of the tower. A shard is written to the disk only there, so a resumed job cuts the
/// same batches as one that was never interrupted, and writes the same bytes.
///
/// If the disk fails, the job stops: later calls fail too. Finished shards stay, and [`Job::open`] continues the job. After
/// [`StoreError::Record`] the job goes on: push a record with an error in its place.
///
/// ```
/// use std::path::Path;
///
/// use glm4v_store::{Encoded, GridThw, Job, Record};
/// # use glm4v_store::{OutputDtype, Pool, Settings, ShardFormat, Split};
/// # let settings = Settings {
/// #     version: "0.1.0".into(), model: "tiny".into(), fingerprint: "0".into(), width: 2, dtype: "f32".into(),
/// #     kernels: "generic".into(), device: "cpu".into(), options: Default::default(), batch_limits: Default::default(),
/// #     format: ShardFormat::Parquet, output_dtype: OutputDtype::F16, pool: Pool::None,
/// #     shard_bytes: Settings::SHARD_BYTES, shard_inputs: Settings::SHARD_INPUTS, split: Split::WHOLE,
/// # };
/// # let temporary = tempfile::tempdir().unwrap();
/// # let dir = temporary.path();
///
/// let inputs = ["cat.jpg", "dog.jpg"];
/// let mut job = Job::open(dir, &settings, inputs.map(Ok))?;
/// for input in job.inputs::<String>()?.skip(job.done()) {
///     let path = input?;
///     let encoded = Encoded { grid: GridThw::new(1, 2, 4), tokens: &[0.5, 1.0, 1.5, 2.0], video: None };
///     job.push(&Record { id: &path, path: Path::new(&path), sha256: None, outcome: Ok(encoded) })?;
///     job.end_batch()?;
/// }
/// let summary = job.finish()?;
/// assert_eq!((summary.encoded, summary.tokens, summary.shards), (2, 4, 1));
/// # Ok::<(), glm4v_store::StoreError>(())
/// ```
#[derive(Debug)]
pub struct Job {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    _lock: Lock,
    settings: Settings,
    layout: Layout,
    /// Number of inputs in the list.
    inputs: usize,
    journal: Journal,
    state: State,
    /// The values of one record, in the type in which they are stored.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Records are accepted. The shard is `None` before its first record.
    Running(Option<OpenShard>),
    Stopped,
    Complete,
}

impl Job {
    /// Starts a job in `dir`, or resumes the job that is there.
    ///
    /// `inputs` are the entries of the list: paths, or structs with paths and options. Each becomes a line of
    /// `inputs.jsonl`. With [`Settings::split`] only the inputs of this share do. The list of a resumed job must be the
    /// same.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Busy`]: another process works in `dir`.
    /// - [`StoreError::NotAJob`]: `dir` has other files.
    /// - [`StoreError::Changed`]: the job in `dir` has other settings or inputs.
    /// - [`StoreError::Damaged`], [`StoreError::Shard`]: files of the job are damaged or missing.
    /// - [`StoreError::Io`], [`StoreError::NoSpace`]: the disk refuses.
    pub fn open<T: Serialize>(
        dir: impl AsRef<Path>,
        settings: &Settings,
        inputs: impl IntoIterator<Item = io::Result<T>>,
    ) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(RealDisk), dir.as_ref(), settings, inputs)
    }

    /// Resumes the job in `dir` with the list of inputs that is stored there.
    ///
    /// # Errors
    ///
    /// As [`Job::open`], and if there is no job in `dir`.
    pub fn resume(dir: impl AsRef<Path>, settings: &Settings) -> Result<Self, StoreError> {
        let (disk, dir): (Arc<dyn Disk>, _) = (Arc::new(RealDisk), dir.as_ref());
        let no_job = || StoreError::NoJob { dir: dir.into() };
        if !dir.join(Manifest::NAME).exists() {
            return Err(no_job());
        }
        let lock = Lock::acquire(dir)?;
        let stored = Manifest::read(dir)?.ok_or_else(no_job)?;
        let given = Manifest::new(settings, stored.inputs.clone());
        stored.check_same(&given, dir)?;
        Self::continued(disk, dir, lock, &stored)
    }

    fn open_on<T: Serialize>(
        disk: Arc<dyn Disk>,
        dir: &Path,
        settings: &Settings,
        inputs: impl IntoIterator<Item = io::Result<T>>,
    ) -> Result<Self, StoreError> {
        settings.check()?;
        refuse_foreign_files(dir)?;
        fs::create_dir_all(dir).map_err(StoreError::io(dir))?;
        let lock = Lock::acquire(dir)?;
        let list = dir.join(InputList::NAME);
        let manifest = match Manifest::read(dir)? {
            Some(stored) => {
                let inputs = InputList::write(inputs, settings.split, io::sink(), &list)?;
                stored.check_same(&Manifest::new(settings, inputs), dir)?;
                stored
            }
            None => {
                remove_temporary_files(disk.as_ref(), dir)?;
                let mut file = NewFile::create(&disk, &list)?;
                let inputs = InputList::write(inputs, settings.split, &mut file, &list)?;
                file.publish()?;
                let manifest = Manifest::new(settings, inputs);
                // From here on the directory is a job.
                manifest.write(&disk, dir)?;
                manifest
            }
        };
        Self::continued(disk, dir, lock, &manifest)
    }

    fn continued(
        disk: Arc<dyn Disk>,
        dir: &Path,
        lock: Lock,
        manifest: &Manifest,
    ) -> Result<Self, StoreError> {
        remove_temporary_files(disk.as_ref(), dir)?;
        manifest.inputs.check(dir)?;
        let journal = Journal::open(&disk, dir, manifest.inputs.count)?;
        let settings = manifest.settings.clone();
        let mut job = Self {
            dir: dir.to_owned(),
            disk,
            _lock: lock,
            layout: Layout {
                format: settings.format,
                dtype: settings.output_dtype,
                pool: settings.pool,
                width: settings.width,
                manifest: manifest.line(dir)?,
            },
            settings,
            inputs: manifest.inputs.count,
            journal,
            state: State::Running(None),
            buffer: Vec::new(),
        };
        if let Some(summary) = Summary::read(dir)? {
            summary.check(job.journal.total(), job.inputs, dir)?;
            job.state = State::Complete;
        }
        Ok(job)
    }

    /// Removes a job that has no finished shard, so that another one can use the directory. A job with shards stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the disk refuses.
    pub fn discard(self) -> Result<(), StoreError> {
        if self.done() > 0 {
            return Ok(());
        }
        for name in [Manifest::NAME, InputList::NAME] {
            let path = self.dir.join(name);
            let removed = self.disk.remove(&path);
            removed.map_err(StoreError::io(&path))?;
        }
        Ok(())
    }

    /// Number of inputs in finished shards. The job goes on with the input of this number.
    #[must_use]
    pub fn done(&self) -> usize {
        self.journal.total().inputs
    }

    /// Number of inputs in the list.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs
    }

    /// Whether the list has no inputs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs == 0
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the job contains, if it is complete.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        match self.state {
            State::Complete => Some(self.journal.total()),
            State::Running(_) | State::Stopped => None,
        }
    }

    /// All inputs of the list, in order. `skip(job.done())` leads to the first that has no record yet.
    ///
    /// # Errors
    ///
    /// Fails if the list cannot be opened. The iterator fails if a line is not a `T`.
    pub fn inputs<T>(&self) -> Result<StoredInputs<T>, StoreError> {
        StoredInputs::open(&self.dir)
    }

    /// Adds the record of the next input.
    ///
    /// # Errors
    ///
    /// Fails if the embeddings do not have the width of the job, if all inputs have a record, or if the disk refuses.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        self.or_stop(|job| job.try_push(record))
    }

    /// Ends a batch. If the shard is large enough, it is written to the disk, and its inputs are done.
    ///
    /// # Errors
    ///
    /// Fails if the disk refuses.
    pub fn end_batch(&mut self) -> Result<(), StoreError> {
        self.or_stop(|job| {
            let Settings {
                shard_bytes,
                shard_inputs,
                ..
            } = job.settings;
            match job.running()? {
                Some(shard) if shard.bytes >= shard_bytes || shard.inputs >= shard_inputs => {
                    job.close_shard()
                }
                Some(_) | None => Ok(()),
            }
        })
    }

    /// Writes the last shard, and marks the job as complete. Does nothing if the job is complete already.
    ///
    /// # Errors
    ///
    /// Fails if an input has no record, or if the disk refuses.
    pub fn finish(&mut self) -> Result<Summary, StoreError> {
        if let Some(summary) = self.summary() {
            return Ok(summary);
        }
        self.or_stop(|job| {
            let found = job.pushed()?;
            if found != job.inputs {
                let (dir, expected) = (job.dir.clone(), job.inputs);
                return Err(StoreError::Unfinished {
                    dir,
                    expected,
                    found,
                });
            }
            job.close_shard()?;
            let summary = job.journal.total();
            summary.write(&job.disk, &job.dir)?;
            job.state = State::Complete;
            Ok(summary)
        })
    }

    /// After an error of the disk the job cannot go on: records would be missing in the shard.
    fn or_stop<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = step(self);
        if result.as_ref().is_err_and(StoreError::stops_a_job) {
            self.state = State::Stopped;
        }
        result
    }

    fn running(&mut self) -> Result<&mut Option<OpenShard>, StoreError> {
        let dir = || self.dir.clone();
        match &mut self.state {
            State::Running(shard) => Ok(shard),
            State::Stopped => Err(StoreError::Stopped { dir: dir() }),
            State::Complete => Err(StoreError::TooMany {
                dir: dir(),
                inputs: self.inputs,
            }),
        }
    }

    /// Inputs that have a record, finished or not.
    fn pushed(&mut self) -> Result<usize, StoreError> {
        let done = self.done();
        let shard = self.running()?;
        Ok(done + shard.as_ref().map_or(0, |shard| shard.inputs))
    }

    fn try_push(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        let input = self.pushed()?;
        if input == self.inputs {
            let dir = self.dir.clone();
            return Err(StoreError::TooMany { dir, inputs: input });
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let row = Row {
            input,
            id: record.id,
            path: record.path,
            sha256: record.sha256.as_ref().map(|hash| hex(hash)),
            outcome: match &record.outcome {
                Ok(encoded) => Ok(self.values(record.id, encoded, &mut buffer)?),
                Err(error) => Err(error),
            },
        };
        let mut shard = match self.running()?.take() {
            Some(shard) => shard,
            None => {
                let number = self.journal.total().shards;
                OpenShard::create(&self.disk, &self.dir, number, &self.layout)?
            }
        };
        let pushed = shard.push(&row);
        *self.running()? = Some(shard);
        pushed?;
        self.buffer = buffer;
        Ok(())
    }

    /// Checks the embeddings of a record, and converts them.
    fn values<'a>(
        &self,
        id: &str,
        encoded: &Encoded<'a>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Values<'a>, StoreError> {
        let width = self.settings.width;
        let tokens = rows(id, encoded.tokens, width)?;
        buffer.clear();
        match self.settings.pool {
            Pool::None => self.layout.dtype.encode(encoded.tokens, buffer),
            Pool::Mean => self
                .layout
                .dtype
                .encode(&pool::mean(encoded.tokens, width), buffer),
        }
        Ok(Values {
            grid: encoded.grid,
            tokens,
            bytes: buffer,
            video: encoded.video,
        })
    }

    fn close_shard(&mut self) -> Result<(), StoreError> {
        let Some(shard) = self.running()?.take() else {
            return Ok(());
        };
        let first_input = self.done();
        let (file, index) = shard.writer.finish()?;
        self.journal.append(&Entry {
            shard: file,
            index,
            first_input,
            inputs: shard.inputs,
            failed: shard.failed,
            tokens: shard.tokens,
        })
    }
}
