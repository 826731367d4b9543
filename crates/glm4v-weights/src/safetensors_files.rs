use std::path::{Path, PathBuf};

use glm4v_config::{Parameter, VisionConfig};
use glm4v_shards::{Comparison, Index, Place, Shard, Tower};

use crate::file::{WeightsFile, safetensors_header, shown};
use crate::stored::{Extent, StoredParameter};
use crate::{Inspection, WeightsError};

/// The open safetensors files of a checkpoint.
#[derive(Debug)]
pub(crate) struct SafetensorsFiles {
    /// The directory or the file, for errors
    path: String,
    shards: Vec<Shard>,
    /// The open file of each shard
    files: Vec<WeightsFile>,
    /// Number of tensors in files that are not opened
    unread: usize,
}

impl SafetensorsFiles {
    /// Opens one file, of the checkpoint at `path`.
    pub(crate) fn of_file(path: &Path, file: &Path) -> Result<Self, WeightsError> {
        Self::new(path, vec![open(file)?])
    }

    /// Opens the shards that the index at `path` lists for the tower.
    pub(crate) fn of_shards(dir: &Path, path: &Path) -> Result<Self, WeightsError> {
        let text = std::fs::read_to_string(path).map_err(WeightsError::io(path))?;
        let index = Index::parse(&text, &shown(path))?;
        let mut shards = Vec::new();
        for (name, keys) in index.shards(&shown(dir))? {
            let (shard, file) = open(&dir.join(name))?;
            shard.check(&keys)?;
            shards.push((shard, file));
        }
        let mut files = Self::new(dir, shards)?;
        let shards = files.shards.iter();
        let known = shards.flat_map(|shard| &shard.header.tensors);
        files.unread = index.others(known.map(|tensor| &tensor.key[..]));
        Ok(files)
    }

    pub(crate) fn files(&self) -> &[WeightsFile] {
        &self.files
    }

    pub(crate) fn inspect(&self, config: &VisionConfig) -> Inspection {
        let tower = self.tower();
        let (prefix, others) = (tower.prefix, tower.others + self.unread);
        let files: Vec<PathBuf> = self.files.iter().map(|file| file.path.clone()).collect();
        Inspection::of_safetensors(&tower.compare(config), prefix, files, others)
    }

    /// The parameters of `config`, in their order.
    pub(crate) fn parameters(
        &self,
        config: &VisionConfig,
    ) -> Result<Vec<StoredParameter<'_>>, WeightsError> {
        let comparison: Comparison<'_> = self.tower().compare(config);
        let places = comparison.complete()?.into_iter();
        Ok(places.map(|place| self.stored(place)).collect())
    }

    fn stored(
        &self,
        Place {
            key,
            shard,
            tensor,
            encoding,
        }: Place<'_>,
    ) -> StoredParameter<'_> {
        StoredParameter {
            parameter: Parameter {
                key,
                shape: tensor.shape.clone(),
            },
            extents: vec![Extent {
                file: &self.files[shard],
                start: tensor.start,
                bytes: tensor.bytes,
                encoding,
            }],
        }
    }

    fn new(path: &Path, shards: Vec<(Shard, WeightsFile)>) -> Result<Self, WeightsError> {
        let (shards, files) = shards.into_iter().unzip();
        let files = Self {
            path: shown(path),
            shards,
            files,
            unread: 0,
        };
        Tower::find(&files.shards, &files.path)?;
        Ok(files)
    }

    fn tower(&self) -> Tower<'_> {
        let tower = Tower::find(&self.shards, &self.path);
        tower.expect("the tower was found when the files were opened")
    }
}

/// Opens a file and reads its header.
fn open(path: &Path) -> Result<(Shard, WeightsFile), WeightsError> {
    let (file, header) =
        WeightsFile::open(path, |file, length| safetensors_header(file, length, path))?;
    let shard = Shard {
        file: shown(path),
        header,
    };
    Ok((shard, file))
}
