use std::io::Write;

use glm4v_config::{ImageProcessorConfig, Parameter, TokenLimits, VisionConfig};
use glm4v_gguf::{Format, Mmproj, Writer, stored_as};
use glm4v_shards::Encoding;
use serde_json::{Value, json};

use crate::stored::{frame, frame_len};
use crate::{Checkpoint, WeightsError, convert, gguf, published_key};

impl Checkpoint {
    /// Writes the tower as an `mmproj` file of llama.cpp (GGUF), with the limits and the normalisation of `processor`.
    ///
    /// Matrices are stored in `encoding`. Norms, biases, the position table and others stay wider, as llama.cpp's converter
    /// keeps them. Memory holds one slice of a tensor.
    ///
    /// # Errors
    /// Those of [`Checkpoint::load`] for the files that are read; [`WeightsError::Gguf`] for a tower that llama.cpp would
    /// compute in another way; [`WeightsError::NotFinite`]; [`WeightsError::Write`].
    pub fn write_gguf(
        &self,
        config: &VisionConfig,
        processor: &ImageProcessorConfig,
        encoding: Encoding,
        out: impl Write,
    ) -> Result<(), WeightsError> {
        let mmproj = Mmproj {
            config: config.clone(),
            image_mean: processor.image_mean,
            image_std: processor.image_std,
            tokens: token_limits(processor),
        };
        let format = gguf::format(encoding);
        let metadata = mmproj.metadata(format)?;
        let tensors = Mmproj::tensors(config, format);
        let parameters = self.parameters(config)?;
        let mut writer = Writer::new(out, &metadata, &tensors)?;
        let mut formats = tensors.iter().map(|tensor| tensor.format);
        for stored in parameters {
            let key = &stored.parameter.key;
            let count = stored_as(&stored.parameter).len();
            let format = formats.nth(count - 1);
            let mut write = |values: &[f32]| {
                check_finite(key, format, values)?;
                Ok(writer.values(values)?)
            };
            match count {
                1 => stored.values(write)?,
                frames => {
                    let (values, len) = (stored.all_values()?, frame_len(&stored.parameter));
                    for index in 0..frames {
                        write(&frame(&values, index, frames, len))?;
                    }
                }
            }
        }
        writer.finish()?;
        Ok(())
    }

    /// Writes the tower as one safetensors file, with the keys of published checkpoints. Memory holds one slice of a tensor.
    ///
    /// # Errors
    /// Those of [`Checkpoint::load`] for the files that are read; [`WeightsError::Encoding`] for an encoding that safetensors
    /// files do not have; [`WeightsError::Write`].
    pub fn write_safetensors(
        &self,
        config: &VisionConfig,
        encoding: Encoding,
        mut out: impl Write,
    ) -> Result<(), WeightsError> {
        let header = safetensors_header(&config.parameters(), encoding)?;
        let parameters = self.parameters(config)?;
        out.write_all(&(header.len() as u64).to_le_bytes())
            .map_err(WeightsError::Write)?;
        out.write_all(header.as_bytes())
            .map_err(WeightsError::Write)?;
        for stored in parameters {
            stored.values(|values| {
                let bytes = convert::encode(values, encoding);
                out.write_all(&bytes).map_err(WeightsError::Write)
            })?;
        }
        out.flush().map_err(WeightsError::Write)
    }
}

/// The limits of an image in tokens. The processor may count larger blocks.
fn token_limits(processor: &ImageProcessorConfig) -> Option<TokenLimits> {
    let block = processor.patch_expand_factor.unwrap_or(1).pow(2);
    let limits = processor.tokens?;
    Some(TokenLimits {
        min_image_tokens: limits.min_image_tokens.saturating_mul(block),
        max_image_tokens: limits.max_image_tokens.saturating_mul(block),
    })
}

/// A block of 8-bit values with a value that is not finite would lose all its values.
fn check_finite(key: &str, format: Option<Format>, values: &[f32]) -> Result<(), WeightsError> {
    if format != Some(Format::Q8_0) || values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    let key = key.to_owned();
    Err(WeightsError::NotFinite { key })
}

/// The header of a file with these tensors, one after another.
fn safetensors_header(
    parameters: &[Parameter],
    encoding: Encoding,
) -> Result<String, WeightsError> {
    let dtype = encoding.dtype();
    let dtype = dtype.ok_or(WeightsError::Encoding { encoding })?;
    let mut entries = serde_json::Map::new();
    entries.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut start = 0;
    for parameter in parameters {
        let end = start + encoding.bytes(parameter.num_elements());
        let entry = json!({"dtype": dtype, "shape": parameter.shape, "data_offsets": [start, end]});
        entries.insert(published_key(parameter), entry);
        start = end;
    }
    let mut text = Value::from(entries).to_string();
    // In the format, tensors begin at a multiple of eight bytes.
    let padding = text.len().next_multiple_of(8) - text.len();
    text.extend(std::iter::repeat_n(' ', padding));
    Ok(text)
}
