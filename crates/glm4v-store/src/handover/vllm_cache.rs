//! The directory that vLLM's `ECExampleConnector` reads instead of running its vision tower.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::new_file::shared_temporary;
use crate::tensor_file::{TensorEntry, head};
use crate::{OutputDtype, StoreError};

/// Writes `DIR/UUID/encoder_cache.safetensors`, whose tensor `ec_cache` is in bf16. Returns its path.
///
/// A request names the image by the same `uuid`. The file appears only when it is complete, and replaces an older one.
///
/// ```
/// use glm4v_store::handover::vllm_cache;
/// # let temporary = tempfile::tempdir().unwrap();
/// # let dir = temporary.path();
///
/// let path = vllm_cache::write(dir, "cat-1", &[1.0, 2.0, 3.0, 4.0], 2)?;
/// assert!(path.ends_with("cat-1/encoder_cache.safetensors"));
/// # Ok::<(), glm4v_store::StoreError>(())
/// ```
///
/// # Shapes
///
/// `tokens` are `[num_tokens, width]`.
///
/// # Errors
///
/// Fails if `uuid` cannot be the name of a folder, if `tokens` are not rows of `width` values, or if the disk refuses.
pub fn write(
    dir: impl AsRef<Path>,
    uuid: &str,
    tokens: &[f32],
    width: usize,
) -> Result<PathBuf, StoreError> {
    check(uuid)?;
    let rows = crate::record::rows(uuid, tokens, width)?;
    let mut values = Vec::new();
    OutputDtype::Bf16.encode(tokens, &mut values);
    let head = head(
        &[],
        &[TensorEntry {
            name: "ec_cache",
            dtype: OutputDtype::Bf16.safetensors_name(),
            shape: [rows, width],
            bytes: values.len(),
        }],
    );
    let folder = dir.as_ref().join(uuid);
    let path = folder.join("encoder_cache.safetensors");
    let written = || {
        fs::create_dir_all(&folder)?;
        let mut file = shared_temporary(&folder)?;
        file.write_all(&head)?;
        file.write_all(&values)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    };
    written().map_err(StoreError::io(&path))?;
    Ok(path)
}

/// Checks that `uuid` names a folder directly in the directory.
fn check(uuid: &str) -> Result<(), StoreError> {
    const LONGEST: usize = 255;
    let problem = if uuid.is_empty() {
        "it is empty"
    } else if uuid.len() > LONGEST {
        "it is longer than 255 bytes"
    } else if uuid == "." || uuid.contains("..") {
        "it contains `..` or is `.`"
    } else if uuid.contains(['/', '\\']) || cfg!(windows) && uuid.contains(':') {
        "it contains a separator of paths"
    } else if uuid.chars().any(char::is_control) {
        "it contains a control character"
    } else {
        return Ok(());
    };
    let uuid = uuid.escape_debug().to_string();
    Err(StoreError::Uuid { uuid, problem })
}

#[cfg(test)]
mod tests {
    use safetensors::{Dtype, SafeTensors};

    use super::*;

    #[test]
    fn the_tensor_is_in_bf16() {
        let dir = tempfile::tempdir().unwrap();
        let uuid = "0123-ab_c";
        for last in [3.0, 4.0] {
            let path = write(dir.path(), uuid, &[1.0, 1.0 + 2f32.powi(-8), -2.0, last], 2).unwrap();
            let file = fs::read(&path).unwrap();
            let file = SafeTensors::deserialize(&file).unwrap();
            let tensor = file.tensor("ec_cache").unwrap();
            assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::BF16, &[2, 2][..]));
            assert_eq!(tensor.data()[..6], [0x80, 0x3f, 0x80, 0x3f, 0x00, 0xc0]);
        }
        let files = fs::read_dir(dir.path().join(uuid)).unwrap();
        assert_eq!(files.count(), 1, "the temporary file is gone");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let long = "a".repeat(256);
        let wrong = [
            "", ".", "..", "../a", "a/b", "a\\b", "/a", "a\0", "a\nb", "a..b", &long,
        ];
        for uuid in wrong {
            let error = write(dir.path(), uuid, &[1.0], 1).unwrap_err();
            assert!(matches!(error, StoreError::Uuid { .. }), "{error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn incomplete_rows_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(dir.path(), "a", &[1.0, 2.0, 3.0], 2)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "input `a`: expected rows of 2 values, found 3 values"
        );
    }
}
