use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use glm4v::GridThw;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::{Input, Sampled, no_video_decoder};

/// The folder of the goldens.
#[must_use]
pub fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// A picture of `tests/images`.
#[must_use]
pub fn image_path(name: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("images")
        .join(name)
}

/// A video of `tests/videos`.
#[must_use]
pub fn video_path(name: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("videos")
        .join(name)
}

/// A checkpoint, pictures and clips, and what the reference makes of them.
pub struct Golden {
    /// The name in the table.
    pub name: String,
    /// The checkpoint's directory.
    pub checkpoint: PathBuf,
    /// The pictures and clips of the batch.
    pub inputs: Vec<Input>,
    /// The reference's tensors.
    pub expected: Expected,
}

/// The reference's tensors for one batch.
pub struct Expected {
    /// The grid of each picture or clip.
    pub grids: Vec<GridThw>,
    /// What is taken of the clips, by their place among the inputs.
    pub sampled: BTreeMap<usize, Sampled>,
    /// Values by stage, in row-major order; `pixel_values` among them.
    pub stages: BTreeMap<String, Vec<f32>>,
}

impl Golden {
    /// The committed tower cases, in the order of their names.
    ///
    /// # Errors
    /// If a case is not complete.
    pub fn all() -> Result<Vec<Self>> {
        let mut names = Vec::new();
        for entry in golden_dir().read_dir()? {
            let path = entry?.path();
            if path.join("expected.safetensors").exists() {
                names.push(path);
            }
        }
        names.sort();
        names.iter().map(|dir| Self::committed(dir)).collect()
    }

    fn committed(dir: &Path) -> Result<Self> {
        let inputs = std::fs::read(dir.join("inputs.json"))?;
        let inputs: Vec<Input> = serde_json::from_slice(&inputs)?;
        Ok(Self {
            name: dir
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            checkpoint: dir.to_owned(),
            inputs: inputs.into_iter().map(Input::in_tests).collect(),
            expected: Expected::read(&dir.join("expected.safetensors"))?,
        })
    }

    /// Why the case cannot be run here, if it cannot: a video, and nothing to decode it.
    #[must_use]
    pub fn unreadable(&self) -> Option<String> {
        let mut videos = self.inputs.iter().filter_map(Input::video);
        videos.next().and_then(no_video_decoder)
    }
}

impl Expected {
    /// Reads what `tests/golden/reference.py` wrote.
    ///
    /// # Errors
    /// If the file is not such.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let mut expected = Self {
            grids: Vec::new(),
            sampled: BTreeMap::new(),
            stages: BTreeMap::new(),
        };
        for (name, tensor) in tensors.iter() {
            let taken = expected.take(name, &tensor);
            taken.with_context(|| format!("{}: `{name}`", path.display()))?;
        }
        Ok(expected)
    }

    fn take(&mut self, name: &str, tensor: &TensorView<'_>) -> Result<()> {
        let (kind, place) = name.split_once('.').unwrap_or((name, ""));
        match (kind, tensor.dtype()) {
            ("grid_thw", Dtype::I64) => {
                let counts = counts(tensor);
                let (thw, _) = counts.as_chunks::<3>();
                self.grids = thw.iter().copied().map(GridThw::from).collect();
            }
            ("frames_indices", Dtype::I64) => {
                self.clip(place)?.frames_indices = counts(tensor);
            }
            ("timestamps", Dtype::F64) => {
                let (chunks, _) = tensor.data().as_chunks();
                self.clip(place)?.timestamps =
                    chunks.iter().copied().map(f64::from_le_bytes).collect();
            }
            (_, Dtype::F32) => {
                let (chunks, _) = tensor.data().as_chunks();
                let values = chunks.iter().copied().map(f32::from_le_bytes).collect();
                self.stages.insert(name.to_owned(), values);
            }
            (_, other) => bail!("is {other:?}"),
        }
        Ok(())
    }

    fn clip(&mut self, place: &str) -> Result<&mut Sampled> {
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
