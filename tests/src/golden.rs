use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use glm4v::GridThw;
use safetensors::{Dtype, SafeTensors};

/// The folder of the goldens.
#[must_use]
pub fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// A picture of `tests/images`.
#[must_use]
pub fn image_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("images")
        .join(name)
}

/// A checkpoint, pictures, and what the reference makes of them.
pub struct Golden {
    /// The name in the table.
    pub name: String,
    /// The checkpoint's directory.
    pub checkpoint: PathBuf,
    /// The pictures of the batch.
    pub images: Vec<PathBuf>,
    /// The reference's tensors.
    pub expected: Expected,
}

/// The reference's tensors for one batch.
pub struct Expected {
    /// The grid of each picture.
    pub grids: Vec<GridThw>,
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
        let images = std::fs::read(dir.join("images.json"))?;
        let images: Vec<String> = serde_json::from_slice(&images)?;
        Ok(Self {
            name: dir
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            checkpoint: dir.to_owned(),
            images: images.iter().map(|name| image_path(name)).collect(),
            expected: Expected::read(&dir.join("expected.safetensors"))?,
        })
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
        let mut stages = BTreeMap::new();
        let mut grids = Vec::new();
        for (name, tensor) in tensors.iter() {
            match tensor.dtype() {
                Dtype::F32 => {
                    let (chunks, _) = tensor.data().as_chunks();
                    let values = chunks.iter().copied().map(f32::from_le_bytes).collect();
                    stages.insert(name.to_owned(), values);
                }
                Dtype::I64 if name == "grid_thw" => {
                    let (chunks, _) = tensor.data().as_chunks();
                    let values: Vec<usize> = chunks
                        .iter()
                        .map(|&chunk| i64::from_le_bytes(chunk) as usize)
                        .collect();
                    let (thw, _) = values.as_chunks::<3>();
                    grids = thw.iter().copied().map(GridThw::from).collect();
                }
                other => bail!("{}: `{name}` is {other:?}", path.display()),
            }
        }
        Ok(Self { grids, stages })
    }
}
