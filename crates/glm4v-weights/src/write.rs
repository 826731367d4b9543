use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use glm4v_config::{
    ImageProcessorConfig, ModelType, Parameter, VideoProcessorConfig, VisionConfig, VisionModelType,
};
use safetensors::{Dtype, View};
use serde_json::{Value, json};

use crate::{StoredDtype, WeightsError, convert, random};

/// Shards of a checkpoint that this crate writes hold about as many bytes at most.
const SHARD_BYTES: u64 = 1 << 30;

/// What [`write_checkpoint`] writes.
#[derive(Clone, Debug)]
pub struct WriteOptions<'a> {
    /// `model_type` of `config.json`.
    pub model_type: ModelType,
    /// `vision_config` of `config.json`.
    pub vision: &'a VisionConfig,
    /// `preprocessor_config.json`.
    pub image_processor: &'a ImageProcessorConfig,
    /// `video_preprocessor_config.json`.
    pub video_processor: &'a VideoProcessorConfig,
    /// The seed of the random parameters.
    pub seed: u64,
    /// The type in which they are stored.
    pub dtype: StoredDtype,
}

/// Writes a random checkpoint in the published layout: `config.json`, both preprocessor files, and shards with their
/// index, keys under `model.visual.`. The parameters are those of [`random`](crate::random()) with the same seed.
///
/// The directory appears whole or not at all, and at no time is more than one tensor in memory.
///
/// # Errors
/// [`WeightsError::Exists`] if `dir` exists, [`WeightsError::Io`] if it cannot be written.
pub fn write_checkpoint(dir: &Path, options: &WriteOptions<'_>) -> Result<(), WeightsError> {
    options.vision.validate()?;
    if dir.symlink_metadata().is_ok() {
        return Err(WeightsError::Exists {
            path: dir.to_owned(),
        });
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(WeightsError::io(parent))?;
    let unfinished = tempfile::Builder::new()
        .prefix(".glm4v-init-")
        .tempdir_in(parent)
        .map_err(WeightsError::io(parent))?;
    write_configs(unfinished.path(), options)?;
    write_shards(unfinished.path(), options)?;
    make_readable(unfinished.path())?;
    std::fs::rename(unfinished.path(), dir).map_err(WeightsError::io(dir))?;
    // Renamed away: there is nothing left to remove.
    let _ = unfinished.keep();
    Ok(())
}

fn write_configs(dir: &Path, options: &WriteOptions<'_>) -> Result<(), WeightsError> {
    let names = Names::of(options.model_type, options.vision.model_type);
    let config = json!({
        "architectures": [names.architecture],
        "model_type": options.model_type.name(),
        "text_config": {
            "model_type": names.text,
            "hidden_size": options.vision.out_hidden_size,
        },
        "vision_config": options.vision,
    });
    let mut image = json!(options.image_processor);
    image["image_processor_type"] = json!(names.image_processor);
    image["processor_class"] = json!(names.processor);
    let mut video = json!(options.video_processor);
    video["processor_class"] = json!(names.processor);
    write_json(&dir.join("config.json"), &config)?;
    write_json(&dir.join("preprocessor_config.json"), &image)?;
    write_json(&dir.join("video_preprocessor_config.json"), &video)
}

/// What transformers calls the parts of a model.
struct Names {
    architecture: &'static str,
    text: &'static str,
    image_processor: &'static str,
    processor: &'static str,
}

impl Names {
    fn of(model: ModelType, tower: VisionModelType) -> Self {
        let (architecture, text) = match (model, tower) {
            (ModelType::Glm4vMoe, _) => ("Glm4vMoeForConditionalGeneration", "glm4v_moe_text"),
            (ModelType::Glm46v, VisionModelType::Glm4vMoeVision) => {
                ("Glm46VForConditionalGeneration", "glm4v_moe_text")
            }
            (ModelType::Glm46v, _) => ("Glm46VForConditionalGeneration", "glm4v_text"),
            (ModelType::GlmOcr, _) => ("GlmOcrForConditionalGeneration", "glm_ocr_text"),
            _ => ("Glm4vForConditionalGeneration", "glm4v_text"),
        };
        let (image_processor, processor) = match model {
            ModelType::Glm46v | ModelType::GlmOcr => ("Glm46VImageProcessor", "Glm46VProcessor"),
            _ => ("Glm4vImageProcessor", "Glm4vProcessor"),
        };
        Self {
            architecture,
            text,
            image_processor,
            processor,
        }
    }
}

fn write_shards(dir: &Path, options: &WriteOptions<'_>) -> Result<(), WeightsError> {
    let parameters = options.vision.parameters();
    let total: u64 = parameters
        .iter()
        .map(|parameter| size(parameter, options.dtype))
        .sum();
    let count = total.div_ceil(SHARD_BYTES).max(2);
    let mut weight_map = serde_json::Map::new();
    for (index, shard) in split(&parameters, options.dtype, count)
        .into_iter()
        .enumerate()
    {
        let name = format!("model-{:05}-of-{count:05}.safetensors", index + 1);
        let tensors = shard.iter().map(|parameter| {
            let tensor = RandomTensor {
                parameter,
                seed: options.seed,
                dtype: options.dtype,
            };
            (published_key(parameter), tensor)
        });
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let path = dir.join(&name);
        safetensors::serialize_to_file(tensors, Some(metadata), &path)
            .map_err(WeightsError::safetensors(&path))?;
        weight_map.extend(
            shard
                .iter()
                .map(|parameter| (published_key(parameter), json!(name))),
        );
    }
    let index = json!({"metadata": {"total_size": total}, "weight_map": weight_map});
    write_json(&dir.join("model.safetensors.index.json"), &index)
}

/// `count` groups of consecutive parameters, of about equal size.
fn split(parameters: &[Parameter], dtype: StoredDtype, count: u64) -> Vec<Vec<&Parameter>> {
    let total: u64 = parameters
        .iter()
        .map(|parameter| size(parameter, dtype))
        .sum();
    let mut groups = vec![Vec::new(); count as usize];
    let mut before = 0;
    for parameter in parameters {
        groups[(before * count / total) as usize].push(parameter);
        before += size(parameter, dtype);
    }
    groups
}

fn size(parameter: &Parameter, dtype: StoredDtype) -> u64 {
    parameter.num_elements() * dtype.size() as u64
}

fn published_key(parameter: &Parameter) -> String {
    format!("model.visual.{}", parameter.key)
}

fn write_json(path: &Path, value: &Value) -> Result<(), WeightsError> {
    let text = format!("{value:#}\n");
    std::fs::write(path, text).map_err(WeightsError::io(path))
}

/// Temporary files are private to their owner; a checkpoint is as readable as any other directory.
fn make_readable(dir: &Path) -> Result<(), WeightsError> {
    set_mode(dir, 0o755)?;
    for entry in dir.read_dir().map_err(WeightsError::io(dir))? {
        set_mode(&entry.map_err(WeightsError::io(dir))?.path(), 0o644)?;
    }
    Ok(())
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> Result<(), WeightsError> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).map_err(WeightsError::io(path))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> Result<(), WeightsError> {
    Ok(())
}

/// A tensor whose values are made when they are written.
struct RandomTensor<'a> {
    parameter: &'a Parameter,
    seed: u64,
    dtype: StoredDtype,
}

impl View for RandomTensor<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype.safetensors()
    }

    fn shape(&self) -> &[usize] {
        &self.parameter.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = random::values(self.parameter, self.seed);
        Cow::Owned(convert::to_bytes(&values, self.dtype))
    }

    fn data_len(&self) -> usize {
        size(self.parameter, self.dtype) as usize
    }
}
