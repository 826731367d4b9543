use std::io::{BufReader, Read};

use crate::{GgufError, printable};

/// Published headers are ten times smaller, those of language models with their vocabulary included.
pub(crate) const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Reads the header of a file, and never past the end of the file.
///
/// Every length is compared with the bytes that are left before memory is allocated. So a header never needs more than a
/// few times its length.
pub(crate) struct HeaderReader<'a, R> {
    input: BufReader<R>,
    /// Number of bytes that are read.
    position: u64,
    /// The end of the file, or the limit of a header.
    end: u64,
    file: &'a str,
}

impl<'a, R: Read> HeaderReader<'a, R> {
    /// A reader of a file of `file_len` bytes.
    pub(crate) fn new(input: R, file_len: u64, file: &'a str) -> Self {
        Self {
            input: BufReader::new(input),
            position: 0,
            end: file_len.min(MAX_HEADER_BYTES),
            file,
        }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next `N` bytes, which belong to `what`.
    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        self.check(1, N as u64, what)?;
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A text: its length, and its bytes in UTF-8.
    pub(crate) fn text(&mut self, what: &str) -> Result<String, GgufError> {
        let len = self.u64(what)?;
        let bytes = self.bytes(len, 1, what)?;
        String::from_utf8(bytes).map_err(|_| self.refuse(format!("{what} is not UTF-8")))
    }

    /// `count` numbers of `N` bytes.
    pub(crate) fn numbers<const N: usize, T>(
        &mut self,
        count: u64,
        what: &str,
        decode: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, GgufError> {
        let bytes = self.bytes(count, N as u64, what)?;
        Ok(bytes
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| decode(bytes))
            .collect())
    }

    /// Checks that `count` entries, each of at least `min_bytes` bytes, can follow.
    pub(crate) fn check(&self, count: u64, min_bytes: u64, what: &str) -> Result<(), GgufError> {
        let left = self.end - self.position;
        match count.checked_mul(min_bytes) {
            Some(bytes) if bytes <= left => Ok(()),
            Some(_) | None if self.end == MAX_HEADER_BYTES => Err(self.refuse(format!(
                "{what} needs {count} · {min_bytes} bytes, and a header may have {MAX_HEADER_BYTES} bytes in all"
            ))),
            Some(_) | None => Err(self.refuse(format!(
                "{what} needs {count} · {min_bytes} bytes, and the file has {left} more; download the file again"
            ))),
        }
    }

    pub(crate) fn refuse(&self, message: impl AsRef<str>) -> GgufError {
        GgufError::Header {
            file: self.file.to_owned(),
            message: printable(message.as_ref()),
        }
    }

    fn bytes(&mut self, count: u64, size: u64, what: &str) -> Result<Vec<u8>, GgufError> {
        self.check(count, size, what)?;
        let mut bytes = vec![0; (count * size) as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        let read = self.input.read_exact(bytes);
        read.map_err(|source| GgufError::Io {
            file: self.file.to_owned(),
            source,
        })?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}
