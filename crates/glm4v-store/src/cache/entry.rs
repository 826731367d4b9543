//! The file of an entry: a safetensors file that says which key it has, with a checksum.

use glm4v_config::GridThw;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use super::key::Key;
use crate::OutputDtype;
use crate::hashing::hex;
use crate::tensor_file::{TensorEntry, head};

/// The extension of entries.
pub(super) const EXTENSION: &str = "safetensors";

const TENSOR: &str = "embeddings";
const KEY: &str = "key";
const GRID: &str = "grid_thw";
const CHECKSUM: &str = "sha256";

/// Embeddings from the cache.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedEmbedding {
    /// The patch grid.
    pub grid: GridThw,
    /// Values of a token.
    pub width: usize,
    /// The embeddings.
    ///
    /// # Shapes
    ///
    /// `[num_tokens, width]`
    pub values: Vec<f32>,
}

/// The content of the file of `key`.
pub(super) fn to_bytes(key: &Key, grid: GridThw, width: usize, values: &[f32]) -> Vec<u8> {
    let mut data = Vec::new();
    OutputDtype::F32.encode(values, &mut data);
    let checksum = checksum(key, grid, width, &data);
    let grid = grid_text(grid);
    let metadata = [
        (KEY, &key.to_string()[..]),
        (GRID, &grid),
        (CHECKSUM, &checksum),
    ];
    let tensor = TensorEntry {
        name: TENSOR,
        dtype: OutputDtype::F32.safetensors_name(),
        shape: [values.len() / width.max(1), width],
        bytes: data.len(),
    };
    let mut file = head(&metadata, &[tensor]);
    file.extend_from_slice(&data);
    file
}

/// Reads the file of `key`. A file that is damaged, or of another key, gives `None`.
pub(super) fn from_bytes(key: &Key, file: &[u8]) -> Option<CachedEmbedding> {
    let (_, metadata) = SafeTensors::read_metadata(file).ok()?;
    let metadata = metadata.metadata().as_ref()?;
    let file = SafeTensors::deserialize(file).ok()?;
    let tensor = file.tensor(TENSOR).ok()?;
    let &[_, width] = tensor.shape() else {
        return None;
    };
    let grid = serde_json::from_str(metadata.get(GRID)?).ok()?;
    let is_whole = tensor.dtype() == Dtype::F32
        && *metadata.get(CHECKSUM)? == checksum(key, grid, width, tensor.data());
    let floats = tensor.data().chunks_exact(4);
    is_whole.then(|| CachedEmbedding {
        grid,
        width,
        values: floats
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect(),
    })
}

fn grid_text(grid: GridThw) -> String {
    let GridThw { t, h, w } = grid;
    format!("[{t},{h},{w}]")
}

/// The checksum covers everything that is returned. It also covers the key, so a renamed file is a miss.
fn checksum(key: &Key, grid: GridThw, width: usize, data: &[u8]) -> String {
    let mut hash = Sha256::new_with_prefix(key.bytes());
    hash.update(grid_text(grid));
    hash.update((width as u64).to_le_bytes());
    hash.update(data);
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::KeyParts;

    fn key(kind: &str) -> Key {
        let parts = KeyParts {
            fingerprint: "",
            dtype: "f32",
            kernels: "",
            kind,
            grid: GridThw::new(1, 2, 4),
        };
        Key::new(&parts, &[])
    }

    #[test]
    fn what_is_written_is_read() {
        let values = [1.5, f32::NEG_INFINITY, -0.0, 4.0];
        let grid = GridThw::new(1, 2, 4);
        let file = to_bytes(&key("image"), grid, 2, &values);
        let found = from_bytes(&key("image"), &file).unwrap();
        assert_eq!(
            (found.grid, found.width, &found.values[..]),
            (grid, 2, &values[..])
        );
        assert!(found.values[2].is_sign_negative());
    }

    #[test]
    fn every_flipped_byte_and_every_truncation_is_found() {
        let file = to_bytes(&key("image"), GridThw::new(1, 2, 4), 2, &[1.0, 2.0]);
        for place in 0..file.len() {
            let mut damaged = file.clone();
            damaged[place] ^= 1;
            let found = from_bytes(&key("image"), &damaged);
            // A changed space or a changed name of the key's entry changes no value.
            let whole = from_bytes(&key("image"), &file);
            assert!(found.is_none() || found == whole, "byte {place}");
            assert_eq!(from_bytes(&key("image"), &file[..place]), None);
        }
    }

    #[test]
    fn a_file_of_another_key_does_not_count() {
        let file = to_bytes(&key("image"), GridThw::new(1, 2, 4), 2, &[1.0, 2.0]);
        assert_eq!(from_bytes(&key("video"), &file), None);
    }
}
