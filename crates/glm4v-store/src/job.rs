//! A job: many inputs, encoded into the shards of one directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use self::closing::Closing;
use self::directory::{refuse_foreign_files, remove_other_rows, remove_temporary_files};
use self::journal::Journal;
use self::list::InputList;
use self::lock::Lock;
use self::manifest::Manifest;
use self::open_shard::OpenShard;
use self::row_file::RowFile;
use crate::StoreError;
use crate::disk::{Disk, RealDisk};
use crate::new_file::NewFile;
use crate::settings::Settings;
use crate::shard::Layout;

mod changes;
mod closing;
mod directory;
mod journal;
mod list;
mod lock;
mod manifest;
mod open_shard;
mod records;
mod retry;
mod row_file;
mod summary;
#[cfg(test)]
mod tests;

pub use list::StoredInputs;
pub use summary::Summary;

/// A directory of shards that is filled input by input, and can be continued after any interruption.
///
/// Push one record for each input of the list, in the order of the list, beginning with number [`Job::done`]. Call
/// [`Job::end_batch`] after each batch of the tower. From then on its records survive any end of the process. A shard is
/// closed only there, so a resumed job cuts the same batches as one that was never interrupted, and writes the same bytes.
///
/// A thread writes a full shard, and dropping the job waits for it.
///
/// If the disk fails, the job stops: later calls fail too. Finished batches stay, and [`Job::open`] continues the job. After
/// [`StoreError::Record`] the job goes on: push a record with an error in its place. [`Job::retry`] tries failed inputs again.
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
    /// `None` before the first shard is closed. It stands before the lock, because its thread must end first.
    closing: Option<Closing>,
    _lock: Lock,
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    settings: Settings,
    layout: Layout,
    /// Number of inputs in the list.
    inputs: usize,
    journal: Journal,
    state: State,
    /// Whether failed inputs get a second attempt.
    retrying: bool,
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
    /// - [`StoreError::Changed`]: the job in `dir` has other settings.
    /// - [`StoreError::OtherInputs`]: the job in `dir` has other inputs.
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
        stored.check_settings(settings, dir)?;
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
                stored.check_settings(settings, dir)?;
                stored.inputs.check(dir)?;
                if let Some(changes) = changes::between(dir, inputs, settings.split)? {
                    let dir = dir.into();
                    return Err(StoreError::OtherInputs { dir, changes });
                }
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
            closing: None,
            _lock: lock,
            dir: dir.to_owned(),
            disk,
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
            retrying: false,
            buffer: Vec::new(),
        };
        if let Some(summary) = Summary::read(dir)? {
            summary.check(job.journal.total(), job.inputs, dir)?;
            job.state = State::Complete;
            remove_other_rows(job.disk.as_ref(), dir, None)?;
        } else {
            job.recover_rows()?;
        }
        Ok(job)
    }

    /// Goes on with the rows that an interruption left. A shard that was full is written first.
    fn recover_rows(&mut self) -> Result<(), StoreError> {
        loop {
            let finished = self.journal.total();
            let open = OpenShard::recover(&self.disk, &self.dir, finished, &self.layout)?;
            let is_full = open.as_ref().is_some_and(|shard| self.is_full(shard));
            let kept = open.is_some().then(|| RowFile::name(finished.shards));
            self.state = State::Running(open);
            if !is_full {
                return remove_other_rows(self.disk.as_ref(), &self.dir, kept.as_deref());
            }
            self.start_closing()?;
            self.finish_closing()?;
        }
    }

    /// Removes a job that has no finished batch, so that another one can use the directory. Another job stays, and so does one
    /// that an error has stopped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the disk refuses.
    pub fn discard(self) -> Result<(), StoreError> {
        if self.done() > 0 || matches!(self.state, State::Stopped) {
            return Ok(());
        }
        // A directory without a manifest may have a list, but no rows.
        for name in [&RowFile::name(0), Manifest::NAME, InputList::NAME] {
            let path = self.dir.join(name);
            match self.disk.remove(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(StoreError::io(&path))?,
            }
        }
        Ok(())
    }

    /// Number of inputs in finished batches. The job goes on with the input of this number.
    #[must_use]
    pub fn done(&self) -> usize {
        let open = match &self.state {
            State::Running(Some(shard)) if !self.retrying => shard.ended,
            State::Running(_) | State::Stopped | State::Complete => 0,
        };
        self.in_full_shards() + open
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
            job.start_closing()?;
            job.finish_closing()?;
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
}
