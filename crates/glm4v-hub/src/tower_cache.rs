use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::hf_cache::{HfCache, entries, read_ref};
use crate::revision::{Revision, is_commit};
use crate::{HubError, ModelId, Progress};

/// A checkpoint in our tower cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cached {
    /// The model.
    pub model: ModelId,
    /// The commit.
    pub commit: String,
    /// The branches and tags that had this commit at the last request to the hub.
    pub revisions: Vec<String>,
    /// The directory.
    pub path: PathBuf,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether the fetch was interrupted. The next fetch continues it.
    pub unfinished: bool,
}

/// Our cache of vision towers. It has the layout of the Hugging Face cache, and unfinished fetches in
/// `unfinished/COMMIT`.
#[derive(Clone, Debug)]
pub(crate) struct TowerCache(pub(crate) HfCache);

/// Locks a model's files while it exists. The lock file is never removed: two processes could lock a removed file and a
/// new one of the same name.
pub(crate) struct Lock {
    _file: File,
}

/// While another process has the lock, it is tried this often.
const TICK: Duration = Duration::from_millis(20);

impl TowerCache {
    pub(crate) fn unfinished(&self, model: &ModelId, commit: &str) -> PathBuf {
        self.0.model(model).join("unfinished").join(commit)
    }

    /// The configurations of a commit that was fetched without weights.
    pub(crate) fn configs(&self, model: &ModelId, commit: &str) -> PathBuf {
        self.0.model(model).join("configs").join(commit)
    }

    /// Locks `model`. Waits while another process has the lock, until `progress` is cancelled.
    pub(crate) fn lock(&self, model: &ModelId, progress: &dyn Progress) -> Result<Lock, HubError> {
        let is_busy = |lock: &Result<Lock, HubError>| matches!(lock, Err(HubError::Busy { .. }));
        let mut lock = self.try_lock(model);
        if is_busy(&lock) {
            progress.waiting(model);
        }
        while is_busy(&lock) {
            if progress.is_cancelled() {
                return Err(HubError::Cancelled);
            }
            thread::sleep(TICK);
            lock = self.try_lock(model);
        }
        lock
    }

    fn try_lock(&self, model: &ModelId) -> Result<Lock, HubError> {
        let (path, file) = self.lock_file(model)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(HubError::Busy {
                model: model.to_string(),
            }),
            Err(TryLockError::Error(error)) => Err(HubError::io(&path)(error)),
        }
    }

    fn lock_file(&self, model: &ModelId) -> Result<(PathBuf, File), HubError> {
        let dir = self.0.root.join(".locks");
        fs::create_dir_all(&dir).map_err(HubError::io(&dir))?;
        let path = dir.join(format!("{}.lock", model.folder()));
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(false).open(&path);
        Ok((path.clone(), file.map_err(HubError::io(&path))?))
    }

    /// Records that `revision` has `commit` now.
    pub(crate) fn record(
        &self,
        model: &ModelId,
        revision: &Revision,
        commit: &str,
    ) -> Result<(), HubError> {
        if is_commit(revision.as_str()) {
            return Ok(());
        }
        let path = self.0.ref_file(model, revision);
        let dir = path.parent().expect("a folder of refs");
        fs::create_dir_all(dir).map_err(HubError::io(dir))?;
        write_atomically(&path, commit.as_bytes())
    }

    pub(crate) fn list(&self) -> Result<Vec<Cached>, HubError> {
        let root = &self.0.root;
        match root.read_dir() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(HubError::io(root)(error)),
            Ok(_) => {}
        }
        let models = entries(root).into_iter();
        let models = models.filter_map(|path| ModelId::from_folder(path.file_name()?.to_str()?));
        Ok(models.flat_map(|model| self.list_model(&model)).collect())
    }

    fn list_model(&self, model: &ModelId) -> Vec<Cached> {
        let refs = self.refs(model);
        let cached = |commit: String, path: PathBuf, unfinished| Cached {
            model: model.clone(),
            revisions: refs
                .iter()
                .filter(|(_, other)| *other == commit)
                .map(|(name, _)| name.clone())
                .collect(),
            bytes: bytes_of(&path),
            commit,
            path,
            unfinished,
        };
        let finished = entries(&self.0.snapshots(model)).into_iter();
        let finished = finished.filter_map(|path| Some(cached(commit_of(&path)?, path, false)));
        let unfinished = entries(&self.0.model(model).join("unfinished")).into_iter();
        let unfinished = unfinished.filter_map(|path| Some(cached(commit_of(&path)?, path, true)));
        finished.chain(unfinished).collect()
    }

    /// Every recorded revision, and its commit.
    fn refs(&self, model: &ModelId) -> Vec<(String, String)> {
        let (mut found, mut folders) = (Vec::new(), vec![(String::new(), self.0.refs(model))]);
        while let Some((prefix, folder)) = folders.pop() {
            for path in entries(&folder) {
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                    continue;
                };
                let name = format!("{prefix}{name}");
                if path.is_dir() {
                    folders.push((format!("{name}/"), path));
                } else if let Some(commit) = read_ref(&path) {
                    found.push((name, commit));
                }
            }
        }
        found.sort();
        found
    }

    /// Removes `model`, or one revision of it. Returns how many bytes were freed.
    pub(crate) fn remove(
        &self,
        model: &ModelId,
        revision: Option<&Revision>,
    ) -> Result<u64, HubError> {
        let matches = |cached: &Cached| {
            revision.is_none_or(|revision| {
                let named = cached
                    .revisions
                    .iter()
                    .any(|name| name == revision.as_str());
                named || revision.is_abbreviation() && cached.commit.starts_with(revision.as_str())
            })
        };
        let nothing = || HubError::NotCached {
            cache: self.0.root.clone(),
            model: model.to_string(),
            revision: revision.map_or_else(String::new, |revision| format!(" ({revision})")),
        };
        if !self.0.model(model).is_dir() {
            return Err(nothing());
        }
        let _lock = self.try_lock(model)?;
        let all = self.list_model(model);
        let (removed, remaining): (Vec<_>, Vec<_>) = all.into_iter().partition(matches);
        if removed.is_empty() && (revision.is_some() || !remaining.is_empty()) {
            return Err(nothing());
        }
        for cached in &removed {
            remove_dir(&cached.path)?;
        }
        let dir = self.0.model(model);
        if remaining.is_empty() {
            remove_dir(&dir)?;
        } else {
            self.remove_refs(model, &removed)?;
        }
        Ok(removed.iter().map(|cached| cached.bytes).sum())
    }

    /// Removes the references to `removed` commits.
    fn remove_refs(&self, model: &ModelId, removed: &[Cached]) -> Result<(), HubError> {
        for (name, commit) in self.refs(model) {
            if removed.iter().any(|cached| cached.commit == commit) {
                let path = self.0.refs(model).join(name);
                fs::remove_file(&path).map_err(HubError::io(&path))?;
            }
        }
        Ok(())
    }
}

/// Writes a small file under a temporary name, then renames it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), HubError> {
    let needed = bytes.len() as u64;
    let dir = path.parent().expect("a file in a folder");
    let mut file = tempfile::Builder::new()
        .prefix(".tmp-")
        .make_in(dir, |path| {
            // `tempfile` would create it readable by the owner only. Files of a cache are readable by all.
            File::options().write(true).create_new(true).open(path)
        });
    let file = file
        .as_mut()
        .map_err(|error| HubError::writing(path, needed)(error.kind().into()))?;
    let written = std::io::Write::write_all(file.as_file_mut(), bytes);
    // Without this, the renamed file could be empty after a power failure.
    let written = written.and_then(|()| file.as_file().sync_all());
    written.map_err(HubError::writing(path, needed))?;
    fs::rename(file.path(), path).map_err(HubError::io(path))
}

/// Removes a folder, if it exists.
pub(crate) fn remove_dir(dir: &Path) -> Result<(), HubError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(HubError::io(dir)(error)),
        _ => Ok(()),
    }
}

fn commit_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    is_commit(name).then(|| name.to_owned())
}

/// The disk space of a folder, in bytes.
fn bytes_of(dir: &Path) -> u64 {
    let bytes = |path: PathBuf| match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_of(&path),
        Ok(metadata) => on_disk(&metadata),
        Err(_) => 0,
    };
    entries(dir).into_iter().map(bytes).sum()
}

/// An unfinished file has its full length from the start. Bytes that are not written yet take no disk space.
#[cfg(unix)]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.len().min(metadata.blocks() * 512)
}

#[cfg(not(unix))]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}
