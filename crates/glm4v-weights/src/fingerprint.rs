use std::fmt;

use glm4v_config::{Preset, VisionConfig};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::stored::Extent;
use crate::{Checkpoint, FileStates, WeightsError};

/// Bytes that are read and hashed at a time.
const SLICE: u64 = 1 << 20;

/// What tells whether two towers have the same configuration and the same weights: a SHA-256 hash.
///
/// Embeddings that were computed by towers of equal fingerprints, in the same data type and by the same kernels, are
/// interchangeable. A directory has no commit, and its files can be edited, so the hash covers every byte of the tower.
///
/// ```
/// use glm4v_config::Preset;
/// use glm4v_weights::Fingerprint;
///
/// let tiny = Fingerprint::random(Preset::Tiny, 0);
/// assert_ne!(tiny, Fingerprint::random(Preset::Tiny, 1));
/// assert_eq!(tiny.to_string().len(), 64);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of [`crate::random()`] with the configuration of a preset. The values may differ between versions of
    /// this crate, so the version is part of it.
    #[must_use]
    pub fn random(preset: Preset, seed: u64) -> Self {
        let (name, version) = (preset.name(), env!("CARGO_PKG_VERSION"));
        let text = format!("random {version} {name} {seed}");
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for Fingerprint {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Checkpoint {
    /// The fingerprint of the tower. All its bytes are read, on all cores.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn fingerprint(&self, config: &VisionConfig) -> Result<Fingerprint, WeightsError> {
        let mut parameters = self.parameters(config)?;
        parameters.sort_by(|a, b| a.parameter.key.cmp(&b.parameter.key));
        let hashes = parameters.par_iter().map(|stored| {
            let extents = stored.extents.iter();
            extents.map(hash).collect::<Result<Vec<_>, _>>()
        });
        let hashes = hashes.collect::<Result<Vec<_>, WeightsError>>()?;
        let mut all = Sha256::new();
        all.update(serde_json::to_vec(config).expect("a configuration is JSON"));
        for (stored, hashes) in parameters.iter().zip(hashes) {
            for (extent, hash) in stored.extents.iter().zip(hashes) {
                // The shape of each parameter follows from the configuration.
                all.update(format!("\n{} {}\n", stored.parameter.key, extent.encoding));
                all.update(hash);
            }
        }
        Ok(Fingerprint(all.finalize().into()))
    }

    /// The fingerprint of a tower that was loaded when the files were as `loaded` says.
    ///
    /// # Errors
    /// As [`Checkpoint::load`]; [`WeightsError::Changed`] if the files changed since then.
    pub fn fingerprint_of(
        &self,
        loaded: &FileStates,
        config: &VisionConfig,
    ) -> Result<Fingerprint, WeightsError> {
        loaded.check(&self.file_states()?)?;
        let fingerprint = self.fingerprint(config)?;
        // The files can change while they are read.
        loaded.check(&self.file_states()?)?;
        Ok(fingerprint)
    }
}

fn hash(extent: &Extent<'_>) -> Result<[u8; 32], WeightsError> {
    let mut hash = Sha256::new();
    let mut bytes = vec![0; SLICE.min(extent.bytes) as usize];
    for start in (0..extent.bytes).step_by(SLICE as usize) {
        let len = SLICE.min(extent.bytes - start) as usize;
        extent
            .file
            .read_at(&mut bytes[..len], extent.start + start)?;
        hash.update(&bytes[..len]);
    }
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::{Encoding, WriteOptions, write_checkpoint};

    #[test]
    fn every_byte_of_the_tower_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (preset, path) = (Preset::Tiny, dir.path().join("a"));
        let config = preset.vision();
        let write = |seed, encoding| {
            let options = WriteOptions {
                model_type: preset.model_type(),
                vision: &config,
                image_processor: &preset.image_processor(),
                video_processor: &preset.video_processor(),
                seed,
                encoding,
            };
            let _ = fs::remove_dir_all(&path);
            write_checkpoint(&path, &options).unwrap();
        };
        let fingerprint = || {
            let checkpoint = Checkpoint::open(&path).unwrap();
            checkpoint.fingerprint(&config).unwrap()
        };
        write(0, Encoding::F32);
        let first = fingerprint();
        assert_eq!(fingerprint(), first);
        let files = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let is_shard = |file: &PathBuf| file.extension() == Some(OsStr::new("safetensors"));
        let shard = files.into_iter().find(is_shard).unwrap();
        let mut bytes = fs::read(&shard).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&shard, bytes).unwrap();
        assert_ne!(fingerprint(), first);
        write(1, Encoding::F32);
        assert_ne!(fingerprint(), first);
        write(0, Encoding::Bf16);
        assert_ne!(fingerprint(), first);
        write(0, Encoding::F32);
        assert_eq!(fingerprint(), first);
    }
}
