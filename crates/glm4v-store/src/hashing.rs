use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// Size and SHA-256 of what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    /// In hexadecimal digits.
    pub(crate) sha256: String,
}

/// Counts and hashes everything that is written to `inner`.
pub(crate) struct Hashing<W> {
    pub(crate) inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    pub(crate) fn written(&self) -> Written {
        Written {
            bytes: self.bytes,
            sha256: hex(&self.hash.clone().finalize()),
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Size and SHA-256 of everything that can be read.
pub(crate) fn hash_all(mut reader: impl Read) -> io::Result<Written> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut reader, &mut hashing)?;
    Ok(hashing.written())
}

/// Hexadecimal digits, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds values in little-endian order.
pub(crate) fn update_f32(hash: &mut Sha256, values: &[f32]) {
    let mut bytes = [0; 1 << 14];
    for values in values.chunks(bytes.len() / 4) {
        let bytes = &mut bytes[..values.len() * 4];
        for (place, value) in bytes.chunks_exact_mut(4).zip(values) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        hash.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha256() {
        let found = hash_all(&b"abc"[..]).unwrap();
        assert_eq!(found.bytes, 3);
        assert_eq!(
            found.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn values_are_hashed_as_their_bytes() {
        let values: Vec<f32> = (0..5000).map(|value| value as f32).collect();
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let mut hash = Sha256::new();
        update_f32(&mut hash, &values);
        assert_eq!(hex(&hash.finalize()), hash_all(&bytes[..]).unwrap().sha256);
    }
}
