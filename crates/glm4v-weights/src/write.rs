use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use glm4v_config::{
    ImageProcessorConfig, ModelType, Parameter, ProcessorFiles, SamplingRule, VideoProcessorConfig,
    VisionConfig,
};
use glm4v_shards::Encoding;
use safetensors::{Dtype, View};
use serde_json::{Value, json};

use crate::{WeightsError, convert, published_key, random};

/// Approximate maximum length of a shard that this crate writes.
const SHARD_BYTES: u64 = 1 << 30;

/// The content of the checkpoint that [`write_checkpoint`] writes.
#[derive(Clone, Debug)]
pub struct WriteOptions<'a> {
    /// `model_type` of `config.json`.
    pub model_type: ModelType,
    /// `vision_config` of `config.json`.
    pub vision: &'a VisionConfig,
    /// `preprocessor_config.json`, or `image_processor` of `processor_config.json`.
    pub image_processor: &'a ImageProcessorConfig,
    /// `video_preprocessor_config.json`, or `video_processor` of `processor_config.json`.
    pub video_processor: &'a VideoProcessorConfig,
    /// The seed of the random parameters.
    pub seed: u64,
    /// How the parameters are stored.
    pub encoding: Encoding,
}

/// Writes a random checkpoint in the published layout: `config.json`, the preprocessor files, and shards with an index.
/// Models that only transformers 5 has get one file for both processors, as it writes them.
///
/// Keys start with `model.visual.`. The parameters are those of [`random`](crate::random()) with the same seed.
///
/// The directory appears when it is complete. Memory holds one tensor at a time.
///
/// # Errors
/// [`WeightsError::Config`] for a configuration that is not valid, [`WeightsError::Exists`] if `dir` exists,
/// [`WeightsError::Encoding`] for an encoding that safetensors files do not have, and [`WeightsError::Io`] if it cannot be
/// written.
pub fn write_checkpoint(dir: &Path, options: &WriteOptions<'_>) -> Result<(), WeightsError> {
    options.vision.validate()?;
    let encoding = options.encoding;
    let dtype = encoding.dtype();
    let dtype = dtype.ok_or(WeightsError::Encoding { encoding })?;
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
    write_shards(unfinished.path(), options, dtype)?;
    make_readable(unfinished.path())?;
    std::fs::rename(unfinished.path(), dir).map_err(WeightsError::io(dir))?;
    // The directory was renamed, so there is nothing to remove.
    let _ = unfinished.keep();
    Ok(())
}

fn write_configs(dir: &Path, options: &WriteOptions<'_>) -> Result<(), WeightsError> {
    let names = options
        .model_type
        .transformers_names(options.vision.model_type);
    let config = json!({
        "architectures": [names.architecture],
        "model_type": options.model_type.name(),
        "text_config": {
            "model_type": names.text_model_type,
            "hidden_size": options.vision.out_hidden_size,
        },
        "vision_config": options.vision,
    });
    let mut image = json!(options.image_processor);
    image["image_processor_type"] = json!(names.image_processor);
    let mut video = json!(options.video_processor);
    write_json(&dir.join("config.json"), &config)?;
    match options.video_processor.sampling.video_processor_type {
        SamplingRule::Glm4v | SamplingRule::Glm46v => {
            image["processor_class"] = json!(names.processor);
            video["processor_class"] = json!(names.processor);
            write_json(&dir.join(ProcessorFiles::IMAGE), &image)?;
            write_json(&dir.join(ProcessorFiles::VIDEO), &video)
        }
        SamplingRule::Glmga | SamplingRule::Glm5Next => {
            let nested = json!({
                "image_processor": image,
                "processor_class": names.processor,
                "video_processor": video,
            });
            write_json(&dir.join(ProcessorFiles::NESTED), &nested)
        }
    }
}

fn write_shards(dir: &Path, options: &WriteOptions<'_>, dtype: Dtype) -> Result<(), WeightsError> {
    let parameters = options.vision.parameters();
    let total: u64 = parameters
        .iter()
        .map(|parameter| bytes(parameter, options.encoding))
        .sum();
    let count = total.div_ceil(SHARD_BYTES).max(2);
    let mut weight_map = serde_json::Map::new();
    for (index, shard) in split(&parameters, options.encoding, count)
        .into_iter()
        .enumerate()
    {
        let name = format!("model-{:05}-of-{count:05}.safetensors", index + 1);
        let tensors = shard.iter().map(|parameter| {
            let tensor = RandomTensor {
                parameter,
                seed: options.seed,
                encoding: options.encoding,
                dtype,
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
fn split(parameters: &[Parameter], encoding: Encoding, count: u64) -> Vec<Vec<&Parameter>> {
    let total: u64 = parameters
        .iter()
        .map(|parameter| bytes(parameter, encoding))
        .sum();
    let mut groups = vec![Vec::new(); count as usize];
    let mut before = 0;
    for parameter in parameters {
        groups[(before * count / total) as usize].push(parameter);
        before += bytes(parameter, encoding);
    }
    groups
}

fn bytes(parameter: &Parameter, encoding: Encoding) -> u64 {
    encoding.bytes(parameter.num_elements())
}

fn write_json(path: &Path, value: &Value) -> Result<(), WeightsError> {
    let text = format!("{value:#}\n");
    std::fs::write(path, text).map_err(WeightsError::io(path))
}

/// Makes the checkpoint readable for all users. Temporary files are private to their owner.
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

/// A tensor whose values are generated when it is written.
struct RandomTensor<'a> {
    parameter: &'a Parameter,
    seed: u64,
    encoding: Encoding,
    dtype: Dtype,
}

impl View for RandomTensor<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.parameter.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values: Vec<f32> = random::values(self.parameter, self.seed).collect();
        Cow::Owned(convert::encode(&values, self.encoding).into_owned())
    }

    fn data_len(&self) -> usize {
        bytes(self.parameter, self.encoding) as usize
    }
}
