use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use glm4v_config::{Parameter, VisionConfig};
use glm4v_model::{HostWeight, ParameterSource, VisionModel};
use serde::Deserialize;

use crate::shard::Shard;
use crate::{Arithmetic, Inspection, Mismatch, StoredDtype, WeightsError, convert};

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";
/// What may stand before the tower's keys: the published layout, that of older checkpoints, a tower on its own.
const PREFIXES: [&str; 3] = ["model.visual.", "visual.", ""];

/// The vision tower's tensors in a checkpoint, found but not yet read.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    prefix: &'static str,
    shards: Vec<Shard>,
    /// Key of the tower, without prefix → shard that holds it.
    keys: BTreeMap<String, usize>,
    other_tensors: usize,
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

impl Checkpoint {
    /// Opens a directory with `model.safetensors`, or else with shards and `model.safetensors.index.json`, or one
    /// safetensors file. Of several shards, only those that hold the vision tower are opened.
    ///
    /// # Errors
    /// [`WeightsError`] for files that are missing, truncated or damaged, and where there is no vision tower.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        if path.is_file() {
            return Self::open_file(path, path);
        }
        let index = path.join(INDEX_FILE);
        let single = path.join(SINGLE_FILE);
        if single.is_file() {
            Self::open_file(path, &single)
        } else if index.is_file() {
            Self::open_shards(path, &index)
        } else if path.is_dir() {
            Err(WeightsError::NoWeights {
                dir: path.to_owned(),
            })
        } else {
            Err(WeightsError::io(path)(std::io::ErrorKind::NotFound.into()))
        }
    }

    /// Compares the tensors with those that `config` asks for, reading none.
    #[must_use]
    pub fn inspect(&self, config: &VisionConfig) -> Inspection {
        let mut inspection = Inspection {
            prefix: self.prefix.to_owned(),
            files: self.shards.iter().map(|shard| shard.path.clone()).collect(),
            other_tensors: self.other_tensors,
            ..Inspection::default()
        };
        let expected = config.parameters();
        for parameter in &expected {
            self.inspect_parameter(parameter, &mut inspection);
        }
        let expected: BTreeSet<&str> = expected
            .iter()
            .map(|parameter| &parameter.key[..])
            .collect();
        for (key, &shard) in &self.keys {
            if !expected.contains(&key[..]) {
                let file = self.shards[shard].path.clone();
                inspection.left_over.push((self.full_key(key), file));
            }
        }
        inspection
    }

    /// Builds the tower on `device`, its parameters converted for `arithmetic` one after another, and reports what was
    /// read.
    ///
    /// # Errors
    /// [`WeightsError`] for the first tensor that is missing, has the wrong shape or type, or is left over.
    pub fn load(
        &self,
        config: &VisionConfig,
        device: &Device,
        arithmetic: impl Into<Arithmetic>,
    ) -> Result<(VisionModel, Inspection), WeightsError> {
        config.validate()?;
        let inspection = self.inspect(config);
        inspection.check(&self.path)?;
        let mut source = Source {
            checkpoint: self,
            device,
            arithmetic: arithmetic.into(),
        };
        let model = VisionModel::new(config, &mut source)?;
        Ok((model, inspection))
    }

    fn open_file(path: &Path, file: &Path) -> Result<Self, WeightsError> {
        let shard = Shard::open(file)?;
        let keys = shard.keys().into_iter().map(|key| (key, 0)).collect();
        Self::from_keys(path, vec![shard], keys)
    }

    fn open_shards(dir: &Path, index_path: &Path) -> Result<Self, WeightsError> {
        let weight_map = read_index(index_path)?;
        let prefix = find_prefix(dir, weight_map.keys())?;
        let vision = weight_map.iter().filter(|(key, _)| key.starts_with(prefix));
        let files: BTreeSet<&str> = vision.clone().map(|(_, file)| &file[..]).collect();
        let shards = files
            .iter()
            .map(|file| Shard::open(&dir.join(file)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut keys = BTreeMap::new();
        for (index, shard) in shards.iter().enumerate() {
            for key in shard.keys() {
                let Some(other) = keys
                    .insert(key.clone(), index)
                    .filter(|_| key.starts_with(prefix))
                else {
                    continue;
                };
                return Err(WeightsError::Duplicate {
                    path: shard.path.clone(),
                    other: shards[other].path.clone(),
                    key,
                });
            }
        }
        for (key, file) in vision {
            let path = dir.join(file);
            if keys
                .get(key)
                .is_none_or(|&index| shards[index].path != path)
            {
                let (key, count) = (key.clone(), 1);
                return Err(WeightsError::Missing { path, key, count });
            }
        }
        let unread = weight_map
            .keys()
            .filter(|key| !keys.contains_key(*key))
            .count();
        let mut checkpoint = Self::from_keys(dir, shards, keys)?;
        checkpoint.other_tensors += unread;
        Ok(checkpoint)
    }

    fn from_keys(
        path: &Path,
        shards: Vec<Shard>,
        keys: BTreeMap<String, usize>,
    ) -> Result<Self, WeightsError> {
        let prefix = find_prefix(path, keys.keys())?;
        let all = keys.len();
        let keys: BTreeMap<String, usize> = keys
            .into_iter()
            .filter_map(|(key, shard)| Some((key.strip_prefix(prefix)?.to_owned(), shard)))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            prefix,
            shards,
            other_tensors: all - keys.len(),
            keys,
        })
    }

    fn inspect_parameter(&self, parameter: &Parameter, inspection: &mut Inspection) {
        let key = self.full_key(&parameter.key);
        let Some(&shard) = self.keys.get(&parameter.key) else {
            inspection.missing.push(key);
            return;
        };
        let shard = &self.shards[shard];
        let info = shard.info(&key).expect("a key of the shard");
        match StoredDtype::new(info.dtype) {
            Some(dtype) if info.shape == parameter.shape => {
                inspection.tensors += 1;
                inspection.parameters += parameter.num_elements();
                *inspection.bytes.entry(dtype).or_default() +=
                    parameter.num_elements() * dtype.size() as u64;
            }
            _ => inspection.mismatched.push(Mismatch {
                key,
                file: shard.path.clone(),
                expected: parameter.shape.clone(),
                found: info.shape.clone(),
                dtype: format!("{:?}", info.dtype),
            }),
        }
    }

    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

/// Reads parameters that [`Checkpoint::inspect`] found in order.
struct Source<'a> {
    checkpoint: &'a Checkpoint,
    device: &'a Device,
    arithmetic: Arithmetic,
}

impl Source<'_> {
    /// The tensor's data in the type that `dtype` makes of the stored one.
    fn data(
        &self,
        key: &str,
        dtype: impl FnOnce(StoredDtype) -> FloatDType,
    ) -> Result<TensorData, WeightsError> {
        let shard = &self.checkpoint.shards[self.checkpoint.keys[key]];
        let info = shard
            .info(&self.checkpoint.full_key(key))
            .expect("a key of the shard");
        let stored = StoredDtype::new(info.dtype).expect("a type that was inspected");
        convert::tensor_data(stored, &info.shape, dtype(stored), |take| {
            shard.read(info, take)
        })
    }
}

impl ParameterSource for Source<'_> {
    type Error = WeightsError;

    fn tensor<const D: usize>(&mut self, key: &str) -> Result<Tensor<D>, WeightsError> {
        let dtype = self.arithmetic.dtype();
        let data = self.data(key, |_| dtype)?;
        Ok(Tensor::from_data(data, (self.device, dtype.into())))
    }

    fn is_on_host(&self) -> bool {
        self.arithmetic.is_on_host()
    }

    fn host_weight(&mut self, key: &str) -> Result<Option<HostWeight>, WeightsError> {
        let Arithmetic::Host(precision) = self.arithmetic else {
            return Ok(None);
        };
        let values = self.data(key, StoredDtype::on_host)?;
        Ok(Some(HostWeight { values, precision }))
    }
}

fn read_index(path: &Path) -> Result<HashMap<String, String>, WeightsError> {
    let refuse = |message: String| WeightsError::Index {
        path: path.to_owned(),
        message,
    };
    let text = std::fs::read_to_string(path).map_err(WeightsError::io(path))?;
    let index: Index = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    // A shard lies beside its index: a name that leads elsewhere is an attack or a mistake.
    for (key, file) in &index.weight_map {
        let mut components = Path::new(file).components();
        if !matches!(
            (components.next(), components.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return Err(refuse(format!(
                "tensor `{key}`: expected the name of a file beside the index, found `{file}`"
            )));
        }
    }
    Ok(index.weight_map)
}

fn find_prefix<'a>(
    path: &Path,
    keys: impl Iterator<Item = &'a String> + Clone,
) -> Result<&'static str, WeightsError> {
    let is_tower = |key: &str| {
        let module = key.split('.').next().unwrap_or_default();
        ["patch_embed", "blocks", "downsample", "merger"].contains(&module)
    };
    PREFIXES
        .into_iter()
        .find(|prefix| {
            let mut inner = keys.clone().filter_map(|key| key.strip_prefix(prefix));
            inner.any(is_tower)
        })
        .ok_or_else(|| WeightsError::NoVisionTower {
            path: path.to_owned(),
        })
}
