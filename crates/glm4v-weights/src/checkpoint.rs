use std::path::{Path, PathBuf};

use burn::tensor::Device;
use glm4v_config::VisionConfig;
use glm4v_model::VisionModel;
use glm4v_shards::{Comparison, Index, Place, Shard, Tower};

use crate::file::{WeightsFile, shown};
use crate::loader::is_first;
use crate::{Inspection, Loader, LoaderOptions, WeightsError, scratch};

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";

/// An open checkpoint. Its headers are read, its tensors are not.
#[derive(Debug)]
pub struct Checkpoint {
    /// The directory or the file, for errors
    path: String,
    shards: Vec<Shard>,
    /// The open file of each shard
    files: Vec<WeightsFile>,
    /// Number of tensors in files that are not opened
    unread: usize,
}

impl Checkpoint {
    /// Opens a directory or a safetensors file.
    ///
    /// A directory has `model.safetensors`, or several shards and `model.safetensors.index.json`. Only the shards that
    /// contain tensors of the vision tower are opened.
    ///
    /// # Errors
    /// [`WeightsError`] for files that are missing, truncated or damaged, or that contain no vision tower.
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

    /// Compares the tensors with the parameters of `config`. Only headers are compared.
    #[must_use]
    pub fn inspect(&self, config: &VisionConfig) -> Inspection {
        self.compare(config).1
    }

    /// Builds the tower on `device`, and reports what the checkpoint contains. Tensors are read one after another.
    ///
    /// # Errors
    /// [`WeightsError`] if a file cannot be read, or the tensors differ from the configuration: one is missing, has another
    /// shape or an unsupported type, or is left over.
    pub fn load(
        &self,
        config: &VisionConfig,
        device: &Device,
        options: impl Into<LoaderOptions>,
    ) -> Result<(VisionModel, Inspection), WeightsError> {
        let mut loader = Loader::new(config, device, options)?;
        let (comparison, inspection) = self.compare(config);
        let mut places = comparison.complete()?;
        places.sort_by_key(|place| !is_first(&place.key));
        let mut scratch = Vec::new();
        for place in places {
            self.read(&place, &mut loader, &mut scratch)?;
        }
        Ok((loader.finish()?, inspection))
    }

    fn read(
        &self,
        place: &Place<'_>,
        loader: &mut Loader,
        scratch: &mut Vec<f32>,
    ) -> Result<(), WeightsError> {
        let (encoding, total) = (place.encoding, place.tensor.bytes);
        let slice = loader.slice_bytes(encoding, total);
        for start in (0..total).step_by(slice as usize) {
            let len = slice.min(total - start) as usize;
            let bytes = scratch::bytes(scratch, len);
            self.read_slice(place, start, bytes)?;
            loader.write(&place.key, encoding, bytes)?;
        }
        Ok(())
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
        let known = checkpoint
            .shards
            .iter()
            .flat_map(|shard| &shard.header.tensors);
        checkpoint.unread = index.others(known.map(|tensor| &tensor.key[..]));
        Ok(checkpoint)
    }

    fn new(path: &Path, shards: Vec<(Shard, WeightsFile)>) -> Self {
        let (shards, files) = shards.into_iter().unzip();
        Self {
            path: shown(path),
            shards,
            files,
            unread: 0,
        }
    }

    /// Fills `bytes` with those of a tensor from `start` on.
    pub(crate) fn read_slice(
        &self,
        place: &Place<'_>,
        start: u64,
        bytes: &mut [u8],
    ) -> Result<(), WeightsError> {
        self.files[place.shard].read_at(bytes, place.tensor.start + start)
    }

    pub(crate) fn compare(&self, config: &VisionConfig) -> (Comparison<'_>, Inspection) {
        let tower = Tower::find(&self.shards, &self.path);
        let tower = tower.expect("the tower was found when the files were opened");
        let (prefix, others) = (tower.prefix, tower.others + self.unread);
        let files: Vec<PathBuf> = self.files.iter().map(|file| file.path.clone()).collect();
        let comparison = tower.compare(config);
        let inspection = Inspection::new(&comparison, prefix, files, others);
        (comparison, inspection)
    }
}

/// Opens a file and reads its header.
fn open(path: &Path) -> Result<(Shard, WeightsFile), WeightsError> {
    let (file, header) = WeightsFile::open(path)?;
    let shard = Shard {
        file: shown(path),
        header,
    };
    Ok((shard, file))
}
