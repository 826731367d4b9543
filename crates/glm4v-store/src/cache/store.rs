use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use glm4v_config::GridThw;

use super::entry::{self, CachedEmbedding, EXTENSION};
use super::evict;
use super::key::Key;
use crate::StoreError;
use crate::new_file::shared_temporary;

/// A directory with embeddings of inputs that were encoded before.
///
/// Several processes can use it at the same time. An entry that is damaged or disappears is a miss. If the directory
/// is or becomes larger than its limit, the least recently used entries are removed. It then has 90 % of the limit.
///
/// ```
/// use glm4v_store::{EmbeddingCache, GridThw, Key, KeyParts};
/// # let temporary = tempfile::tempdir().unwrap();
/// # let dir = temporary.path();
///
/// let cache = EmbeddingCache::open(dir, 10 << 30)?;
/// let grid = GridThw::new(1, 2, 2);
/// let parts = KeyParts { fingerprint: "4f1c", dtype: "f32", kernels: "avx2", kind: "image", grid };
/// let key = Key::new(&parts, &[0.25; 4 * 1176]);
/// assert!(cache.get(&key).is_none());
/// if let Some(warning) = cache.put(&key, grid, 3, &[1.0, 2.0, 3.0]) {
///     eprintln!("{warning}");
/// }
/// assert_eq!(cache.get(&key).unwrap().values, [1.0, 2.0, 3.0]);
/// # Ok::<(), glm4v_store::StoreError>(())
/// ```
#[derive(Debug)]
pub struct EmbeddingCache {
    dir: PathBuf,
    max_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of all entries when they were last counted. `None` before the first entry is read or written.
    counted: Option<u64>,
    /// Bytes that this process has written since.
    written: u64,
    has_warned: bool,
}

/// Why the cache cannot be written. Embeddings are computed all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheWarning(String);

impl fmt::Display for CacheWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl EmbeddingCache {
    /// Opens the cache in `dir`, and creates the directory if it is missing.
    ///
    /// # Errors
    ///
    /// Fails if the directory cannot be created. A directory that cannot be written is no error.
    pub fn open(dir: impl Into<PathBuf>, max_bytes: u64) -> Result<Self, StoreError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(StoreError::io(&dir))?;
        Ok(Self {
            dir,
            max_bytes,
            state: Mutex::default(),
        })
    }

    /// The embeddings of `key`, if the cache has them. A damaged entry is removed.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<CachedEmbedding> {
        let path = self.path(key);
        let file = fs::read(&path).ok()?;
        let found = entry::from_bytes(key, &file);
        match found {
            Some(_) => touch(&path),
            None => {
                fs::remove_file(&path).ok();
            }
        }
        // The limit may be smaller than that of the process that wrote the entries.
        let mut state = self.state();
        if state.counted.is_none() {
            // A directory that cannot be written keeps its size.
            self.count(&mut state).ok();
        }
        found
    }

    /// Stores the embeddings of `key`. Values larger than the whole cache are not stored.
    ///
    /// Returns a warning if that fails, for the first time only.
    ///
    /// # Shapes
    ///
    /// `values` are `[num_tokens, width]`.
    pub fn put(
        &self,
        key: &Key,
        grid: GridThw,
        width: usize,
        values: &[f32],
    ) -> Option<CacheWarning> {
        let file = entry::to_bytes(key, grid, width, values);
        if file.len() as u64 > self.max_bytes {
            return None;
        }
        let mut state = self.state();
        let error = self.write(key, &file, &mut state).err()?;
        if std::mem::replace(&mut state.has_warned, true) {
            return None;
        }
        Some(CacheWarning(format!(
            "{}: the cache cannot be written: {error}; embeddings that it lacks are computed each time",
            self.dir.display()
        )))
    }

    fn write(&self, key: &Key, file: &[u8], state: &mut State) -> io::Result<()> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(folder)?;
        let mut temporary = shared_temporary(folder)?;
        temporary.write_all(file)?;
        temporary.persist(&path).map_err(|error| error.error)?;
        state.written += file.len() as u64;
        // Other processes write too, so entries are counted again from time to time.
        let is_fresh = |_: &u64| state.written <= self.max_bytes / 20;
        match state.counted.filter(is_fresh) {
            Some(counted) if counted + state.written <= self.max_bytes => Ok(()),
            Some(_) | None => self.count(state),
        }
    }

    /// Counts the bytes of all entries, and removes some if they are too many.
    fn count(&self, state: &mut State) -> io::Result<()> {
        let counted = evict::size(&self.dir)?;
        (state.counted, state.written) = (Some(counted), 0);
        if counted > self.max_bytes {
            state.counted = Some(evict::shrink(&self.dir, self.max_bytes / 10 * 9)?);
        }
        Ok(())
    }

    /// A panic elsewhere leaves the state as it was.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Two levels of folders, so that no folder has too many files.
    fn path(&self, key: &Key) -> PathBuf {
        let name = key.to_string();
        let folder = self.dir.join(&name[..2]).join(&name[2..4]);
        folder.join(name).with_extension(EXTENSION)
    }
}

/// Marks an entry as used. A directory that cannot be written keeps its order.
fn touch(path: &Path) {
    let file = File::options().append(true).open(path);
    file.and_then(|file| file.set_modified(SystemTime::now()))
        .ok();
}
