use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use glm4v::GridThw;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::{Input, Sampled, golden_dir, no_video_decoder};

/// A checkpoint, images and videos, and the reference's tensors for them.
pub struct Golden {
    /// The name in the table.
    pub name: String,
    /// The checkpoint's directory.
    pub checkpoint: PathBuf,
    /// The images and videos of the batch.
    pub inputs: Vec<Input>,
    /// The reference's tensors.
    pub expected: Expected,
}

/// The reference's tensors for one batch.
pub struct Expected {
    /// The grid of each image or video.
    pub grids: Vec<GridThw>,
    /// The sampled frames of the videos, by the index of the input.
    pub sampled: BTreeMap<usize, Sampled>,
    /// Values by stage, in row-major order. One stage is `pixel_values`.
    pub stages: BTreeMap<String, Vec<f32>>,
}

impl Golden {
    /// The committed tower cases, in the order of their names.
    ///
    /// # Errors
    /// If a case is not complete.
    pub fn all() -> Result<Vec<Self>> {
        Self::all_in(&golden_dir())
    }

    /// The cases in the folders of `dir`, in the order of their names.
    ///
    /// # Errors
    /// If `dir` cannot be read, or a case is not complete.
    pub fn all_in(dir: &Path) -> Result<Vec<Self>> {
        let mut names = Vec::new();
        let entries = dir.read_dir();
        for entry in entries.with_context(|| dir.display().to_string())? {
            let path = entry?.path();
            if path.join("expected.safetensors").exists() {
                names.push(path);
            }
        }
        names.sort();
        names.iter().map(|dir| Self::of_folder(dir)).collect()
    }

    fn of_folder(dir: &Path) -> Result<Self> {
        let inputs = std::fs::read(dir.join("inputs.json"))?;
        let inputs: Vec<Input> = serde_json::from_slice(&inputs)?;
        Ok(Self {
            name: dir
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            checkpoint: dir.to_owned(),
            inputs: inputs.into_iter().map(|input| input.of_case(dir)).collect(),
            expected: Expected::read(&dir.join("expected.safetensors"))?,
        })
    }

    /// The reason why the case cannot run here: it has a video, and no program decodes videos. `None` if it can.
    #[must_use]
    pub fn unreadable(&self) -> Option<String> {
        let mut videos = self.inputs.iter().filter_map(Input::video);
        videos.next().and_then(no_video_decoder)
    }
}

impl Expected {
    /// Reads a file that `tests/golden/reference.py` wrote.
    ///
    /// # Errors
    /// If the file cannot be read, or has other tensors.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let mut expected = Self {
            grids: Vec::new(),
            sampled: BTreeMap::new(),
            stages: BTreeMap::new(),
        };
        for (name, tensor) in tensors.iter() {
            let added = expected.add(name, &tensor);
            added.with_context(|| format!("{}: `{name}`", path.display()))?;
        }
        Ok(expected)
    }

    fn add(&mut self, name: &str, tensor: &TensorView<'_>) -> Result<()> {
        let (kind, place) = name.split_once('.').unwrap_or((name, ""));
        match (kind, tensor.dtype()) {
            ("grid_thw", Dtype::I64) => {
                let counts = counts(tensor);
                let (thw, _) = counts.as_chunks::<3>();
                self.grids = thw.iter().copied().map(GridThw::from).collect();
            }
            ("frames_indices", Dtype::I64) => {
                self.sampled_at(place)?.frames_indices = counts(tensor);
            }
            ("timestamps", Dtype::F64) => {
                let (chunks, _) = tensor.data().as_chunks();
                self.sampled_at(place)?.timestamps =
                    chunks.iter().copied().map(f64::from_le_bytes).collect();
            }
            (_, Dtype::F32) => {
                let (chunks, _) = tensor.data().as_chunks();
                let values = chunks.iter().copied().map(f32::from_le_bytes).collect();
                self.stages.insert(name.to_owned(), values);
            }
            (_, other) => bail!("expected f32, found {other:?}"),
        }
        Ok(())
    }

    fn sampled_at(&mut self, place: &str) -> Result<&mut Sampled> {
        Ok(self.sampled.entry(place.parse()?).or_default())
    }
}

fn counts(tensor: &TensorView<'_>) -> Vec<usize> {
    let (chunks, _) = tensor.data().as_chunks();
    chunks
        .iter()
        .map(|&chunk| i64::from_le_bytes(chunk) as usize)
        .collect()
}
