//! A cache of packed weights: the next start maps a file into memory, and neither reads nor packs the checkpoint.
//!
//! Processes that use the same file share its pages. A file appears under its name only when it is complete and on the disk. It
//! is never changed, only replaced or removed, which leaves the files that processes have mapped as they are.

mod entry;
mod evict;
mod key;
mod lock;
mod map;
mod trim;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::tensor::Device;
use glm4v_config::{Environment, VisionConfig};
use glm4v_model::{ComputeMode, CpuBuilder, Footprint, Precision, TowerBuilder, VisionModel};

use self::key::Key;
use self::lock::Lock;
use crate::loader::build;
use crate::{Checkpoint, WeightsError};

/// Ends the names of entries.
const EXTENSION: &str = "packed";
/// How long a process waits for another one that packs the same weights.
const PATIENCE: Duration = Duration::from_secs(60);
const JUST_CHANGED: &str = "the checkpoint changed a moment ago";

/// A directory with packed weights of checkpoints that were loaded before.
///
/// An entry belongs to the files of a checkpoint, the configuration, the precision and the layout that this processor's kernels
/// read. It is used only while length, times and, on Unix, inode of each file are those at the time of packing. Several processes
/// can use the directory at the same time.
///
/// ```no_run
/// use burn::tensor::Device;
/// use glm4v_model::Precision;
/// use glm4v_weights::{Checkpoint, PackedCache};
///
/// # let config = glm4v_config::Preset::Glm41V9B.vision();
/// let cache = PackedCache::new("/var/cache/glm4v/packed");
/// let checkpoint = Checkpoint::open("GLM-4.1V-9B-Thinking")?;
/// let (model, packing) = checkpoint.load_packed(&config, &Device::flex(), Precision::Bf16, &cache)?;
/// println!("{packing}");
/// # Ok::<(), glm4v_weights::WeightsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedCache {
    /// The directory. It is created if it is missing.
    pub dir: PathBuf,
    /// Bytes of all entries without their headers, at most. The least recently used ones are removed.
    pub max_bytes: u64,
    /// Smaller towers are not stored, because they are packed in a moment.
    pub min_bytes: u64,
}

/// Where the packed weights of a tower are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packing {
    /// In this file, which an earlier start wrote.
    Found(PathBuf),
    /// In this file, which this start wrote.
    Stored(PathBuf),
    /// In the memory of this process, as without a cache, for this reason.
    Own(String),
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(path) => write!(f, "packed weights are those in {}", path.display()),
            Self::Stored(path) => write!(
                f,
                "stored packed weights in {} for the next start",
                path.display()
            ),
            Self::Own(reason) => write!(f, "packed weights are not stored: {reason}"),
        }
    }
}

impl PackedCache {
    /// A cache in `dir` of at most 10 GiB, for towers of 32 MiB or more.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            max_bytes: 10 << 30,
            min_bytes: 32 << 20,
        }
    }

    /// The user's cache: `packed` in [`Environment::user_cache`]. `None` if there is no such directory, or if its path is
    /// relative.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        Self::below(&Environment::of_process().user_cache()?)
    }

    fn below(caches: &Path) -> Option<Self> {
        caches
            .is_absolute()
            .then(|| Self::new(caches.join("packed")))
    }
}

impl Checkpoint {
    /// [`Checkpoint::load`] for the CPU kernels, with packed weights from `cache`. If the cache lacks them, they are packed and
    /// stored. If they cannot be stored, the tower is as without a cache.
    ///
    /// # Errors
    /// As [`Checkpoint::load`]. A cache that cannot be read or written is no error.
    pub fn load_packed(
        &self,
        config: &VisionConfig,
        device: &Device,
        precision: Precision,
        cache: &PackedCache,
    ) -> Result<(VisionModel, Packing), WeightsError> {
        config.validate()?;
        let tower = Packed {
            checkpoint: self,
            config,
            device,
            precision,
            cache,
        };
        tower.load()
    }
}

/// A tower to load.
struct Packed<'a> {
    checkpoint: &'a Checkpoint,
    config: &'a VisionConfig,
    device: &'a Device,
    precision: Precision,
    cache: &'a PackedCache,
}

impl Packed<'_> {
    fn load(&self) -> Result<(VisionModel, Packing), WeightsError> {
        let dir = &self.cache.dir;
        if let Err(reason) = self.check_size() {
            return self.own(&reason);
        }
        let key = match self.key()? {
            Ok(key) => key,
            Err(error) => return self.own(&format!("the checkpoint: {error}")),
        };
        let path = dir.join(key.file_name());
        if let Some(model) = self.open(&key, &path) {
            return Ok((model, Packing::Found(path)));
        }
        if !key.is_settled() {
            return self.own(JUST_CHANGED);
        }
        let lock = match Lock::new(dir, &key, PATIENCE) {
            Ok(lock) => lock,
            Err(error) => return self.own(&format!("{}: {error}", dir.display())),
        };
        // Another process may have written it meanwhile.
        if let Some(model) = self.open(&key, &path) {
            return Ok((model, Packing::Found(path)));
        }
        // Before the work, so that no other process waits for it in vain.
        if let Err(error) = evict::make_room(self.cache, self.bytes(), &path) {
            drop(lock);
            return self.own(&format!("{}: {error}", dir.display()));
        }
        self.pack(&key, path, &lock)
    }

    fn mode(&self) -> ComputeMode {
        ComputeMode::Cpu(self.precision)
    }

    /// Bytes of the packed weights.
    fn bytes(&self) -> u64 {
        Footprint::new(self.config, self.mode()).weights()
    }

    fn check_size(&self) -> Result<(), String> {
        let (bytes, most) = (self.bytes(), self.cache.max_bytes);
        if bytes < self.cache.min_bytes {
            return Err("the tower is small".to_owned());
        }
        match bytes <= most {
            true => Ok(()),
            false => Err(format!("they have {bytes} bytes, the cache at most {most}")),
        }
    }

    /// The key for the files as they are now.
    fn key(&self) -> Result<io::Result<Key>, WeightsError> {
        let parameters = self.checkpoint.parameters(self.config)?;
        Ok(Key::new(&parameters, self.config, self.precision))
    }

    /// The tower without a cache.
    fn own(&self, reason: &str) -> Result<(VisionModel, Packing), WeightsError> {
        let checkpoint = self.checkpoint;
        let (model, _) = checkpoint.load(self.config, self.device, self.mode())?;
        Ok((model, Packing::Own(reason.to_owned())))
    }

    /// The tower from an entry, if there is one for this key and it is whole.
    fn open(&self, key: &Key, path: &Path) -> Option<VisionModel> {
        let entry = entry::open(path, key)?;
        let mut builder = TowerBuilder::new(self.config, self.device, self.mode());
        let complete = match &mut builder {
            TowerBuilder::Cpu(builder) => builder.add_buffers(|name| entry.buffer(name)),
            TowerBuilder::Device(_) => false,
        };
        complete.then(|| builder.build().ok())?
    }

    /// Packs the weights and stores them. The stored ones then replace those in the memory of this process, so that other
    /// processes share their pages.
    fn pack(
        &self,
        key: &Key,
        path: PathBuf,
        lock: &Lock,
    ) -> Result<(VisionModel, Packing), WeightsError> {
        let checkpoint = self.checkpoint;
        let loader = checkpoint.loaded(self.config, self.device, self.mode())?;
        let (shapes, builder) = loader.complete()?;
        let stored = match &builder {
            TowerBuilder::Cpu(builder) => self.store(key, builder, &path, lock),
            TowerBuilder::Device(_) => unreachable!("the mode is that of the CPU"),
        };
        let opened = stored.and_then(|()| {
            let unreadable = || format!("{}: cannot be read again", path.display());
            self.open(key, &path).ok_or_else(unreadable)
        });
        match opened {
            Ok(model) => {
                drop(builder);
                trim::trim();
                Ok((model, Packing::Stored(path)))
            }
            Err(reason) => Ok((build(builder, &shapes)?, Packing::Own(reason))),
        }
    }

    /// Writes an entry, or says why it cannot.
    fn store(
        &self,
        key: &Key,
        builder: &CpuBuilder,
        path: &Path,
        lock: &Lock,
    ) -> Result<(), String> {
        // Values that were read before an edit must not be stored for the files after it.
        if !matches!(self.key(), Ok(Ok(now)) if now.is_as(key)) {
            return Err(JUST_CHANGED.to_owned());
        }
        let written = entry::write(path, key, &builder.buffers(), lock);
        written.map_err(|error| format!("{}: {error}", self.cache.dir.display()))
    }
}

#[cfg(test)]
mod tests;
