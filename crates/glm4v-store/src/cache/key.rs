use std::fmt;

use glm4v_config::GridThw;
use sha2::{Digest, Sha256};

use crate::hashing::{hex, update_f32};

/// What embeddings depend on, apart from the pixels.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a> {
    /// A fingerprint of the model's weights.
    pub fingerprint: &'a str,
    /// The type in which the tower computes.
    pub dtype: &'a str,
    /// The kernels that compute it.
    pub kernels: &'a str,
    /// The kind of input: `image` or `video`.
    pub kind: &'a str,
    /// The patch grid.
    pub grid: GridThw,
}

/// The name of embeddings in the cache: a SHA-256 of everything that they depend on.
///
/// The pixels count after preprocessing. So the same image in another format, or under another name, has the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of an input.
    ///
    /// # Shapes
    ///
    /// `patch_rows` are the `[num_patches, values]` rows that go into the tower.
    #[must_use]
    pub fn new(parts: &KeyParts<'_>, patch_rows: &[f32]) -> Self {
        let KeyParts {
            fingerprint,
            dtype,
            kernels,
            kind,
            grid,
        } = *parts;
        let mut hash = Sha256::new_with_prefix(b"glm4v-store 1");
        for text in [fingerprint, dtype, kernels, kind] {
            // With their lengths, so that texts cannot run into each other.
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        for side in <[usize; 3]>::from(grid) {
            hash.update((side as u64).to_le_bytes());
        }
        update_f32(&mut hash, patch_rows);
        Self(hash.finalize().into())
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: KeyParts<'_> = KeyParts {
        fingerprint: "weights",
        dtype: "f32",
        kernels: "avx2",
        kind: "image",
        grid: GridThw::new(1, 2, 4),
    };

    #[test]
    fn every_part_counts() {
        let rows = [1.0, 2.0];
        let others = [
            Key::new(
                &KeyParts {
                    fingerprint: "weight",
                    ..PARTS
                },
                &rows,
            ),
            Key::new(
                &KeyParts {
                    dtype: "bf16",
                    ..PARTS
                },
                &rows,
            ),
            Key::new(
                &KeyParts {
                    kernels: "neon",
                    ..PARTS
                },
                &rows,
            ),
            Key::new(
                &KeyParts {
                    kind: "video",
                    ..PARTS
                },
                &rows,
            ),
            Key::new(
                &KeyParts {
                    grid: GridThw::new(1, 4, 2),
                    ..PARTS
                },
                &rows,
            ),
            Key::new(
                &KeyParts {
                    fingerprint: "weightsf",
                    dtype: "32",
                    ..PARTS
                },
                &rows,
            ),
            Key::new(&PARTS, &[1.0, -2.0]),
            Key::new(&PARTS, &[1.0]),
        ];
        let key = Key::new(&PARTS, &rows);
        assert_eq!(key, Key::new(&PARTS, &rows));
        for (number, other) in others.iter().enumerate() {
            assert_ne!(key, *other, "{number}");
        }
    }

    #[test]
    fn the_name_is_hexadecimal() {
        let name = Key::new(&PARTS, &[]).to_string();
        assert!(name.len() == 64 && name.chars().all(|digit| digit.is_ascii_hexdigit()));
    }
}
