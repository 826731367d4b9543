use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use glm4v_config::VisionConfig;
use glm4v_gguf::{Comparison, Format, Header, MAGIC, Mmproj, Stored, TensorInfo};
use glm4v_shards::Encoding;

use crate::file::{WeightsFile, shown};
use crate::stored::{Extent, StoredParameter};
use crate::{Inspection, Mismatch, WeightsError};

const EXTENSION: &str = "gguf";

/// An open `mmproj` file of llama.cpp.
#[derive(Debug)]
pub(crate) struct GgufFile {
    pub(crate) file: WeightsFile,
    pub(crate) mmproj: Mmproj,
    header: Header,
}

/// The GGUF file at `path`: the file itself, or the only GGUF file of a directory without `config.json`. `None` for other
/// files and directories.
///
/// # Errors
/// [`WeightsError::SeveralGguf`] for a directory without `config.json` that has several GGUF files, and
/// [`WeightsError::Io`] if it cannot be read.
pub fn gguf_file(path: impl AsRef<Path>) -> Result<Option<PathBuf>, WeightsError> {
    let path = path.as_ref();
    if path.is_file() {
        return Ok(is_gguf(path).then(|| path.to_owned()));
    }
    if !path.is_dir() || path.join("config.json").is_file() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for entry in path.read_dir().map_err(WeightsError::io(path))? {
        let file = entry.map_err(WeightsError::io(path))?.path();
        if has_extension(&file) && file.is_file() {
            found.push(file);
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        count => {
            let dir = path.to_owned();
            Err(WeightsError::SeveralGguf { dir, count })
        }
    }
}

/// Whether a file has the name or the first bytes of a GGUF file.
fn is_gguf(path: &Path) -> bool {
    let mut first = [0; MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    has_extension(path) || (read.is_ok() && first == MAGIC)
}

fn has_extension(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    extension.eq_ignore_ascii_case(EXTENSION)
}

impl GgufFile {
    /// Opens the file, and reads its header and the tower's configuration.
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        let name = shown(path);
        let (file, header) =
            WeightsFile::open(path, |file, length| Ok(Header::read(file, length, &name)?))?;
        Ok(Self {
            file,
            mmproj: Mmproj::from_header(&header, &name)?,
            header,
        })
    }

    pub(crate) fn inspect(&self, config: &VisionConfig) -> Inspection {
        let comparison = Comparison::new(&self.header, config);
        let file = &self.file.path;
        let mismatch = |(tensor, expected): &(&TensorInfo, Vec<usize>)| Mismatch {
            key: tensor.name.clone(),
            file: file.clone(),
            expected: expected.clone(),
            found: tensor.shape.clone(),
            dtype: tensor.tensor_type.name.to_owned(),
        };
        let stored = comparison.stored.iter();
        let mut inspection = Inspection {
            files: vec![file.clone()],
            tensors: stored.clone().map(|stored| stored.tensors.len()).sum(),
            parameters: stored
                .clone()
                .map(|stored| stored.parameter.num_elements())
                .sum(),
            missing: comparison.missing.clone(),
            mismatched: comparison.mismatched.iter().map(mismatch).collect(),
            other_tensors: comparison.others,
            ..Inspection::default()
        };
        for (tensor, format) in stored.flat_map(|stored| &stored.tensors) {
            *inspection.bytes.entry(encoding(*format)).or_default() += tensor.bytes;
        }
        let left_over = comparison.left_over.iter();
        let left_over = left_over.map(|tensor| (tensor.name.clone(), file.clone()));
        inspection.left_over = left_over.collect();
        inspection
    }

    /// The parameters of `config`, in their order.
    pub(crate) fn parameters(
        &self,
        config: &VisionConfig,
        name: &str,
    ) -> Result<Vec<StoredParameter<'_>>, WeightsError> {
        let comparison = Comparison::new(&self.header, config);
        let stored = comparison.complete(name)?.into_iter();
        Ok(stored.map(|stored| self.stored(stored)).collect())
    }

    fn stored(&self, stored: Stored<'_>) -> StoredParameter<'_> {
        let tensors = stored.tensors.into_iter();
        let extent = |(tensor, format): (&TensorInfo, Format)| Extent {
            file: &self.file,
            start: tensor.start,
            bytes: tensor.bytes,
            encoding: encoding(format),
        };
        StoredParameter {
            parameter: stored.parameter,
            extents: tensors.map(extent).collect(),
        }
    }
}

/// The encoding of values in `format`.
fn encoding(format: Format) -> Encoding {
    match format {
        Format::F32 => Encoding::F32,
        Format::F16 => Encoding::F16,
        Format::Bf16 => Encoding::Bf16,
        Format::Q8_0 => Encoding::Q8_0,
    }
}

/// The format of values in `encoding`.
pub(crate) fn format(encoding: Encoding) -> Format {
    match encoding {
        Encoding::F32 => Format::F32,
        Encoding::F16 => Format::F16,
        Encoding::Bf16 => Format::Bf16,
        Encoding::Q8_0 => Format::Q8_0,
    }
}

#[cfg(test)]
mod tests;
