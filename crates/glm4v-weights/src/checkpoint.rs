use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use glm4v_config::VisionConfig;
use glm4v_model::{HostWeight, ParameterSource, VisionModel};
use glm4v_shards::{Comparison, Index, Place, Shard, Tower};

use crate::file::{WeightsFile, shown};
use crate::parts::rows_of_part;
use crate::rooms::Rooms;
use crate::stored::Stored;
use crate::values::Stay;
use crate::{Arithmetic, Inspection, StoredDtype, WeightsError};

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";

/// The vision tower's tensors in a checkpoint, found but not yet read.
#[derive(Debug)]
pub struct Checkpoint {
    /// What holds the tower, for messages: the directory or the file.
    path: String,
    shards: Vec<Shard>,
    /// The same, opened.
    files: Vec<WeightsFile>,
    /// Tensors in files that are not opened.
    unread: usize,
    max_part_bytes: u64,
}

impl Checkpoint {
    /// Opens a directory with `model.safetensors`, or else with shards and `model.safetensors.index.json`, or one
    /// safetensors file. Of several shards, only those that hold the vision tower are opened.
    ///
    /// # Errors
    /// [`WeightsError`] for files that are missing, truncated or damaged, and where there is no vision tower.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        let (index, single) = (path.join(INDEX_FILE), path.join(SINGLE_FILE));
        let checkpoint = if path.is_file() {
            Self::of_file(path, path)
        } else if single.is_file() {
            Self::of_file(path, &single)
        } else if index.is_file() {
            Self::of_shards(path, &index)
        } else if path.is_dir() {
            Err(WeightsError::NoWeights {
                dir: path.to_owned(),
            })
        } else {
            Err(WeightsError::io(path)(std::io::ErrorKind::NotFound.into()))
        }?;
        Tower::find(&checkpoint.shards, &checkpoint.path)?;
        Ok(checkpoint)
    }

    /// Holds a weight of more than `bytes` in parts, for a device that binds no more at once.
    #[must_use]
    pub fn with_max_part_bytes(self, bytes: u64) -> Self {
        Self {
            max_part_bytes: bytes,
            ..self
        }
    }

    /// Compares the tensors with those that `config` asks for, reading none.
    #[must_use]
    pub fn inspect(&self, config: &VisionConfig) -> Inspection {
        self.compare(config).1
    }

    /// Builds the tower on `device`, its parameters converted for `arithmetic` one after another, and reports what was
    /// read.
    ///
    /// # Errors
    /// [`WeightsError`] for the first tensor that is missing, has the wrong shape or type, or is left over, and for files
    /// that cannot be read.
    pub fn load(
        &self,
        config: &VisionConfig,
        device: &Device,
        arithmetic: impl Into<Arithmetic>,
    ) -> Result<(VisionModel, Inspection), WeightsError> {
        config.validate()?;
        let (comparison, inspection) = self.compare(config);
        let places = comparison
            .complete()?
            .into_iter()
            .map(|place| (place.key.clone(), place));
        let mut source = Source {
            checkpoint: self,
            places: places.collect(),
            device,
            arithmetic: arithmetic.into(),
            rooms: Rooms::default(),
        };
        let model = VisionModel::new(config, &mut source)?;
        Ok((model, inspection))
    }

    fn of_file(path: &Path, file: &Path) -> Result<Self, WeightsError> {
        Ok(Self::new(path, vec![open(file)?]))
    }

    fn of_shards(dir: &Path, path: &Path) -> Result<Self, WeightsError> {
        let text = std::fs::read_to_string(path).map_err(WeightsError::io(path))?;
        let index = Index::parse(&text, &shown(path))?;
        let mut shards = Vec::new();
        for (name, keys) in index.shards(&shown(dir))? {
            let (shard, file) = open(&dir.join(name))?;
            shard.check(&keys)?;
            shards.push((shard, file));
        }
        let mut checkpoint = Self::new(dir, shards);
        let held = checkpoint
            .shards
            .iter()
            .flat_map(|shard| &shard.header.tensors);
        checkpoint.unread = index.others(held.map(|tensor| &tensor.key[..]));
        Ok(checkpoint)
    }

    fn new(path: &Path, shards: Vec<(Shard, WeightsFile)>) -> Self {
        let (shards, files) = shards.into_iter().unzip();
        Self {
            path: shown(path),
            shards,
            files,
            unread: 0,
            max_part_bytes: u64::MAX,
        }
    }

    fn compare(&self, config: &VisionConfig) -> (Comparison<'_>, Inspection) {
        let tower = Tower::find(&self.shards, &self.path);
        let tower = tower.expect("it was found when the files were opened");
        let (prefix, others) = (tower.prefix, tower.others + self.unread);
        let files: Vec<PathBuf> = self.files.iter().map(|file| file.path.clone()).collect();
        let comparison = tower.compare(config);
        let inspection = Inspection::new(&comparison, prefix, files, others);
        (comparison, inspection)
    }
}

/// A file, and what its header says.
fn open(path: &Path) -> Result<(Shard, WeightsFile), WeightsError> {
    let (file, header) = WeightsFile::open(path)?;
    let shard = Shard {
        file: shown(path),
        header,
    };
    Ok((shard, file))
}

/// Reads parameters that were found in order.
struct Source<'a> {
    checkpoint: &'a Checkpoint,
    places: HashMap<String, Place<'a>>,
    device: &'a Device,
    arithmetic: Arithmetic,
    rooms: Rooms,
}

impl<'a> Source<'a> {
    fn stored(&self, key: &str) -> Stored<'a> {
        let place = &self.places[key];
        Stored {
            file: &self.checkpoint.files[place.shard],
            start: place.tensor.start,
            dtype: StoredDtype::new(place.tensor.dtype).expect("a type that was looked at"),
            shape: place.tensor.shape.clone(),
        }
    }

    fn upload<const D: usize>(&self, stored: &Stored<'_>) -> Result<Tensor<D>, WeightsError> {
        let dtype = self.arithmetic.dtype();
        let data = stored.data(dtype, Stay::Kept)?;
        Ok(Tensor::from_data(data, (self.device, dtype.into())))
    }
}

impl ParameterSource for Source<'_> {
    type Error = WeightsError;

    fn tensor<const D: usize>(&mut self, key: &str) -> Result<Tensor<D>, WeightsError> {
        self.upload(&self.stored(key))
    }

    fn parts<const D: usize>(&mut self, key: &str) -> Result<Vec<Tensor<D>>, WeightsError> {
        let stored = self.stored(key);
        let dtype = self.arithmetic.dtype();
        let rows = rows_of_part(&stored.shape, dtype, self.checkpoint.max_part_bytes);
        let firsts = (0..stored.shape[0]).step_by(rows);
        let part = |first| self.upload(&stored.rows(first, rows));
        firsts.map(part).collect()
    }

    fn is_on_host(&self) -> bool {
        self.arithmetic.is_on_host()
    }

    fn host_weight(&mut self, key: &str) -> Result<Option<HostWeight>, WeightsError> {
        let Arithmetic::Host(precision) = self.arithmetic else {
            return Ok(None);
        };
        let stored = self.stored(key);
        let values = stored.data(stored.dtype.on_host(), Stay::Passing(&self.rooms))?;
        Ok(Some(HostWeight { values, precision }))
    }
}
