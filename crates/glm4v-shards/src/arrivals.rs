use std::collections::VecDeque;

use thiserror::Error;

use crate::{Encoding, Place, Shard};

/// The tensors of a tower whose bytes arrive in slices of any length. The bytes of one file arrive in order.
#[derive(Debug)]
pub struct Arrivals {
    files: Vec<File>,
}

/// Bytes that do not belong to the expected tensor.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ArrivalError {
    /// There is no such file.
    #[error("file {file}: only {count} files were added")]
    File {
        /// The number of the file.
        file: usize,
        /// The number of files.
        count: usize,
    },
    /// Bytes before `found` are missing.
    #[error(
        "{file}: tensor `{key}`: expected bytes from position {expected}, found bytes from {found}"
    )]
    Position {
        /// The file.
        file: String,
        /// The tensor.
        key: String,
        /// The position of the next byte of the tensor.
        expected: u64,
        /// The position of the first byte that arrived.
        found: u64,
    },
}

#[derive(Debug)]
struct File {
    name: String,
    /// The tensors that have not arrived completely, in the order of the file.
    expected: VecDeque<Expected>,
}

#[derive(Debug)]
struct Expected {
    key: String,
    encoding: Encoding,
    /// The position in the file of the next byte.
    next: u64,
    end: u64,
}

impl Arrivals {
    /// Expects the tensors at `places` in `shards`. [`tower`](crate::tower()) finds them.
    #[must_use]
    pub fn new(mut places: Vec<Place<'_>>, shards: &[Shard]) -> Self {
        places.sort_by_key(|place| place.tensor.start);
        let file = |shard: &Shard| File {
            name: shard.file.clone(),
            expected: VecDeque::new(),
        };
        let mut files: Vec<File> = shards.iter().map(file).collect();
        for place in places {
            let start = place.tensor.start;
            files[place.shard].expected.push_back(Expected {
                key: place.key,
                encoding: place.encoding,
                next: start,
                end: start + place.tensor.bytes,
            });
        }
        Self { files }
    }

    /// Calls `write` with the tensors' bytes among `bytes`, which start at `position` in the file number `file`. Bytes
    /// between the tower's tensors are dropped.
    ///
    /// # Errors
    /// [`ArrivalError`] for a file that is not there, and if bytes are missing before `position`; those of `write`.
    pub fn write<E: From<ArrivalError>>(
        &mut self,
        file: usize,
        mut position: u64,
        mut bytes: &[u8],
        mut write: impl FnMut(&str, Encoding, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let count = self.files.len();
        let found = self.files.get_mut(file);
        let File { name, expected } = found.ok_or(ArrivalError::File { file, count })?;
        while let Some(tensor) = expected.front_mut() {
            let gap = tensor.next.saturating_sub(position).min(bytes.len() as u64);
            bytes = &bytes[gap as usize..];
            position += gap;
            if bytes.is_empty() {
                break;
            }
            if position != tensor.next {
                return Err(E::from(ArrivalError::Position {
                    file: name.clone(),
                    key: tensor.key.clone(),
                    expected: tensor.next,
                    found: position,
                }));
            }
            let length = (tensor.end - position).min(bytes.len() as u64);
            let (values, rest) = bytes.split_at(length as usize);
            write(&tensor.key, tensor.encoding, values)?;
            position += length;
            tensor.next = position;
            bytes = rest;
            if tensor.next == tensor.end {
                expected.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use safetensors::Dtype;

    use super::*;
    use crate::{Header, Tensor};

    /// Two tensors of four bytes, at 10 and at 16.
    fn shard() -> Shard {
        let tensor = |key: &str, start| Tensor {
            key: key.into(),
            dtype: Dtype::F32,
            shape: vec![1],
            start,
            bytes: 4,
        };
        Shard {
            file: "a".into(),
            header: Header {
                tensors: vec![tensor("x", 10), tensor("y", 16)],
            },
        }
    }

    /// What arrives, of slices with their positions.
    fn arrived(slices: &[(usize, u64, &[u8])]) -> Result<String, ArrivalError> {
        let shards = [shard()];
        let places = shards[0].header.tensors.iter().map(|tensor| Place {
            key: tensor.key.clone(),
            shard: 0,
            tensor,
            encoding: Encoding::F32,
        });
        let mut arrivals = Arrivals::new(places.rev().collect(), &shards);
        let mut found = String::new();
        for &(file, position, bytes) in slices {
            arrivals.write(file, position, bytes, |key, _, bytes| {
                found += &format!("{key}:{} ", String::from_utf8_lossy(bytes));
                Ok::<(), ArrivalError>(())
            })?;
        }
        Ok(found)
    }

    #[test]
    fn bytes_between_tensors_are_dropped() {
        assert_eq!(
            arrived(&[(0, 8, b"..abcd..efgh..")]).unwrap(),
            "x:abcd y:efgh "
        );
        let slices: [(usize, u64, &[u8]); 4] = [
            (0, 9, b".a"),
            (0, 11, b"bcd."),
            (0, 15, b"."),
            (0, 16, b"efgh"),
        ];
        assert_eq!(arrived(&slices).unwrap(), "x:a x:bcd y:efgh ");
    }

    #[test]
    fn missing_bytes_and_missing_files_are_errors() {
        let message = |slices| arrived(slices).unwrap_err().to_string();
        assert_eq!(
            message(&[(0, 10, b"ab"), (0, 13, b"d")]),
            "a: tensor `x`: expected bytes from position 12, found bytes from 13"
        );
        assert_eq!(
            message(&[(0, u64::MAX, b"a")]),
            "a: tensor `x`: expected bytes from position 10, found bytes from 18446744073709551615"
        );
        assert_eq!(message(&[(1, 0, b"a")]), "file 1: only 1 files were added");
    }
}
