//! Content parts of OpenAI's chat protocol, as vLLM's server reads them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use glm4v_config::GridThw;
use serde_json::{Value, json};

use super::npy;
use crate::{OutputDtype, StoreError};

/// The content part of one image: `{"type": "image_embeds", "image_embeds": {…}, "uuid": …}`.
///
/// Embeddings and grid are Base64 of `.npy` files. The server casts the embeddings to the type of its model.
///
/// ```
/// use glm4v_store::handover::openai;
/// use glm4v_store::{GridThw, OutputDtype};
///
/// let part = openai::content_part(&[1.0, 2.0], 2, GridThw::new(1, 2, 2), OutputDtype::F16, Some("cat"))?;
/// assert_eq!(part["type"], "image_embeds");
/// assert_eq!(part["uuid"], "cat");
/// # Ok::<(), glm4v_store::StoreError>(())
/// ```
///
/// # Shapes
///
/// `tokens` are `[num_tokens, width]`.
///
/// # Errors
///
/// Fails for bf16, which `.npy` files do not have, and if `tokens` are not rows of `width` values.
pub fn content_part(
    tokens: &[f32],
    width: usize,
    grid: GridThw,
    dtype: OutputDtype,
    uuid: Option<&str>,
) -> Result<Value, StoreError> {
    let kind = match dtype {
        OutputDtype::F32 => "<f4",
        OutputDtype::F16 => "<f2",
        OutputDtype::Bf16 => {
            let problem = "a content part has no type bf16; choose f16 or f32".into();
            return Err(StoreError::Settings { problem });
        }
    };
    let rows = crate::record::rows(uuid.unwrap_or_default(), tokens, width)?;
    let mut values = Vec::new();
    dtype.encode(tokens, &mut values);
    let sides: Vec<u8> = <[usize; 3]>::from(grid)
        .iter()
        .flat_map(|&side| (side as i64).to_le_bytes())
        .collect();
    let mut part = json!({
        "type": "image_embeds",
        "image_embeds": {
            "image_embeds": STANDARD.encode(npy::file(kind, [rows, width], &values)),
            "image_grid_thw": STANDARD.encode(npy::file("<i8", [1, 3], &sides)),
        },
    });
    if let Some(uuid) = uuid {
        part["uuid"] = uuid.into();
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(dtype: OutputDtype) -> Result<Value, StoreError> {
        content_part(&[1.0, 2.0, 3.0, 4.0], 2, GridThw::new(1, 2, 4), dtype, None)
    }

    fn decoded(part: &Value, name: &str) -> Vec<u8> {
        STANDARD
            .decode(part["image_embeds"][name].as_str().unwrap())
            .unwrap()
    }

    #[test]
    fn both_arrays_are_npy_files() {
        let part = part(OutputDtype::F16).unwrap();
        let embeds = decoded(&part, "image_embeds");
        assert_eq!(
            embeds[128..],
            [0x00, 0x3c, 0x00, 0x40, 0x00, 0x42, 0x00, 0x44]
        );
        let grid = decoded(&part, "image_grid_thw");
        let expected: Vec<u8> = [1i64, 2, 4]
            .iter()
            .flat_map(|side| side.to_le_bytes())
            .collect();
        assert_eq!(grid[128..], expected);
        assert!(part.get("uuid").is_none());
    }

    #[test]
    fn bf16_is_refused() {
        let error = part(OutputDtype::Bf16).unwrap_err().to_string();
        assert!(error.contains("f16 or f32"), "{error}");
    }
}
