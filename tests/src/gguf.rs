use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Result;
use glm4v::weights::{Encoding, LocalModel};

use crate::golden_dir;

/// A golden of every kind of tower that GGUF files store. `glm46v` is not among them, because of its activation.
pub const GGUF_GOLDENS: [&str; 8] = [
    "glm4v-moe",
    "glm46v-moe",
    "glm-ocr",
    "glm5-next",
    "glmga",
    "patch14-f32",
    "patch14-bf16-sharded",
    "tower-alone",
];

/// Writes the tower of a golden as a GGUF file in `dir`, and returns its path.
///
/// # Errors
/// If the golden cannot be read, or the file cannot be written.
pub fn export_gguf(golden: &str, dir: &Path, encoding: Encoding) -> Result<PathBuf> {
    let model = LocalModel::open(golden_dir().join(golden), None)?;
    let (config, processor) = (model.config()?, model.processor()?);
    let path = dir.join(format!("{golden}-{encoding}.gguf"));
    let (checkpoint, file) = (model.checkpoint()?, File::create(&path)?);
    checkpoint.write_gguf(&config, processor.config(), encoding, file)?;
    Ok(path)
}
