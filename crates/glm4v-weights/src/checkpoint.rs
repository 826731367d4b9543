use std::path::Path;
use std::slice;

use burn::tensor::Device;
use glm4v_config::VisionConfig;
use glm4v_gguf::Mmproj;
use glm4v_model::VisionModel;

use crate::file::shown;
use crate::gguf::{self, GgufFile};
use crate::safetensors_files::SafetensorsFiles;
use crate::stored::StoredParameter;
use crate::{FileStates, Inspection, Loader, LoaderOptions, WeightsError};

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";

/// An open checkpoint. Its headers are read, its tensors are not.
#[derive(Debug)]
pub struct Checkpoint {
    files: Files,
}

#[derive(Debug)]
enum Files {
    Safetensors(SafetensorsFiles),
    Gguf(Box<GgufFile>),
}

impl Checkpoint {
    /// Opens a directory, a safetensors file, or an `mmproj` file of llama.cpp (GGUF).
    ///
    /// A directory has `model.safetensors`, or several shards and `model.safetensors.index.json`, or one GGUF file
    /// ([`gguf_file`](crate::gguf_file())). Only the shards that contain tensors of the vision tower are opened.
    ///
    /// # Errors
    /// [`WeightsError`] for files that are missing, truncated or damaged, or that contain no vision tower.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        let (index, single) = (path.join(INDEX_FILE), path.join(SINGLE_FILE));
        let files = if single.is_file() {
            SafetensorsFiles::of_file(path, &single)
        } else if index.is_file() {
            SafetensorsFiles::of_shards(path, &index)
        } else if let Some(file) = gguf::gguf_file(path)? {
            let files = Files::Gguf(GgufFile::open(&file)?.into());
            return Ok(Self { files });
        } else if path.is_file() {
            SafetensorsFiles::of_file(path, path)
        } else if path.is_dir() {
            Err(WeightsError::NoWeights {
                dir: path.to_owned(),
            })
        } else {
            Err(WeightsError::io(path)(std::io::ErrorKind::NotFound.into()))
        };
        Ok(Self {
            files: Files::Safetensors(files?),
        })
    }

    /// The tower that the metadata of a GGUF file describes. `None` for safetensors files, which have no configuration.
    #[must_use]
    pub fn mmproj(&self) -> Option<&Mmproj> {
        match &self.files {
            Files::Safetensors(_) => None,
            Files::Gguf(file) => Some(&file.mmproj),
        }
    }

    /// The open files as they are now.
    ///
    /// # Errors
    /// [`WeightsError::Io`] if the system does not tell the state of a file.
    pub fn file_states(&self) -> Result<FileStates, WeightsError> {
        FileStates::new(match &self.files {
            Files::Safetensors(files) => files.files(),
            Files::Gguf(file) => slice::from_ref(&file.file),
        })
    }

    /// Compares the tensors with the parameters of `config`. Only headers are compared.
    #[must_use]
    pub fn inspect(&self, config: &VisionConfig) -> Inspection {
        match &self.files {
            Files::Safetensors(files) => files.inspect(config),
            Files::Gguf(file) => file.inspect(config),
        }
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
        let model = self.loaded(config, device, options)?.finish()?;
        Ok((model, self.inspect(config)))
    }

    /// A loader with all tensors.
    pub(crate) fn loaded(
        &self,
        config: &VisionConfig,
        device: &Device,
        options: impl Into<LoaderOptions>,
    ) -> Result<Loader, WeightsError> {
        let mut loader = Loader::new(config, device, options)?;
        let mut parameters = self.parameters(config)?;
        parameters.sort_by_key(|stored| !stored.parameter.loads_first());
        let mut scratch = Vec::new();
        for stored in parameters {
            stored.load(&mut loader, &mut scratch)?;
        }
        Ok(loader)
    }

    /// The parameters of `config`, in their order, and where they are stored.
    pub(crate) fn parameters(
        &self,
        config: &VisionConfig,
    ) -> Result<Vec<StoredParameter<'_>>, WeightsError> {
        match &self.files {
            Files::Safetensors(files) => files.parameters(config),
            Files::Gguf(file) => file.parameters(config, &shown(&file.file.path)),
        }
    }
}
