use std::collections::BTreeMap;

use glm4v_config::Substitute;
use safetensors::Dtype;
use serde::Deserialize;
use serde_json::Value;

use crate::ShardError;
use crate::printable;

/// The tensors of a safetensors file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The tensors, in the order of the file.
    pub tensors: Vec<Tensor>,
}

/// One tensor of a safetensors file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The key, with prefix.
    pub key: String,
    /// The type of the values.
    pub dtype: Dtype,
    /// The shape.
    pub shape: Vec<usize>,
    /// The position of its first byte in the file.
    pub start: u64,
    /// Number of bytes.
    pub bytes: u64,
}

/// The format allows no more. Published headers are a hundred times smaller.
const MAX_HEADER_BYTES: u64 = 100_000_000;

impl Header {
    /// Bytes before the header. They contain its length.
    pub const LENGTH_BYTES: usize = 8;

    /// The position of the first tensor in a file of `file_len` bytes. `first` are the first bytes of the file.
    ///
    /// # Errors
    /// [`ShardError::Header`] for a header that is longer than the file or the format allows, and [`ShardError::Substitute`]
    /// for a file of another format.
    pub fn data_start(
        first: [u8; Self::LENGTH_BYTES],
        file_len: u64,
        file: &str,
    ) -> Result<u64, ShardError> {
        let length = u64::from_le_bytes(first);
        let max = MAX_HEADER_BYTES.min(file_len.saturating_sub(Self::LENGTH_BYTES as u64));
        if length > max {
            return Err(match Substitute::of(&first) {
                Some(substitute) => ShardError::Substitute {
                    file: file.to_owned(),
                    substitute,
                },
                None => refuse(
                    file,
                    format!(
                        "expected a header of at most {max} bytes, found one of {length}; fetch the file again"
                    ),
                ),
            });
        }
        Ok(Self::LENGTH_BYTES as u64 + length)
    }

    /// Parses `head`, the bytes before the first tensor of a file of `file_len` bytes.
    ///
    /// # Errors
    /// Those of [`Header::data_start`], and [`ShardError::Header`] for a damaged header. Tensors must have the length of their shape and type. They must fill
    /// the file without gaps and overlaps.
    pub fn parse(head: &[u8], file_len: u64, file: &str) -> Result<Self, ShardError> {
        let (first, json) = head.split_first_chunk().ok_or_else(|| {
            refuse(
                file,
                format!(
                    "expected {} bytes, found {}",
                    Self::LENGTH_BYTES,
                    head.len()
                ),
            )
        })?;
        let data_start = Self::data_start(*first, file_len, file)?;
        if head.len() as u64 != data_start {
            let message = format!(
                "expected a header of {data_start} bytes, found {}",
                head.len()
            );
            return Err(refuse(file, message));
        }
        let tensors = tensors(json, data_start).map_err(|message| refuse(file, message))?;
        let last = tensors.last();
        let end = last.map_or(data_start, |tensor| {
            tensor.start.saturating_add(tensor.bytes)
        });
        if end != file_len {
            return Err(refuse(
                file,
                format!(
                    "expected {end} bytes as in its header, found {file_len}; fetch the file again"
                ),
            ));
        }
        // Keys of models contain no control characters, and a terminal would obey them.
        let odd = |tensor: &&Tensor| tensor.key.contains(char::is_control);
        if let Some(Tensor { key, .. }) = tensors.iter().find(odd) {
            return Err(refuse(
                file,
                format!("tensor `{key}`: its key contains control characters"),
            ));
        }
        Ok(Self { tensors })
    }
}

/// The header's entry of a tensor.
///
/// The crate safetensors is not used here: it counts bits in `usize`. In a browser, this overflows at 512 MiB, and language
/// models have larger tensors.
#[derive(Deserialize)]
struct Entry {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Entry {
    /// Number of bytes of this type and shape.
    fn bytes(&self) -> Option<u64> {
        let mut sides = self.shape.iter();
        let bits = sides.try_fold(self.dtype.bitsize() as u64, |bits, &side| {
            bits.checked_mul(side)
        })?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}

/// The tensors in the order of the file. Each must have the length of its type and shape, and begin at the end of the
/// previous one.
fn tensors(json: &[u8], data_start: u64) -> Result<Vec<Tensor>, String> {
    let mut entries: BTreeMap<String, Value> =
        serde_json::from_slice(json).map_err(|error| error.to_string())?;
    entries.remove("__metadata__");
    let parse = |(key, value)| {
        let entry = Entry::deserialize::<Value>(value);
        let entry = entry.map_err(|error| format!("tensor `{key}`: {error}"))?;
        Ok((key, entry))
    };
    let entries: Result<Vec<(String, Entry)>, String> = entries.into_iter().map(parse).collect();
    let mut entries = entries?;
    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut tensors = Vec::new();
    let mut next = 0;
    for (key, entry) in entries {
        let (start, end) = entry.data_offsets;
        let by_shape = entry.bytes().and_then(|bytes| start.checked_add(bytes));
        if start != next || by_shape != Some(end) {
            let Entry { dtype, shape, .. } = entry;
            return Err(format!(
                "tensor `{key}`: expected {dtype:?} of shape {shape:?} from byte {next} on, found bytes {start} to {end}"
            ));
        }
        next = end;
        let shape = entry.shape.into_iter().map(usize::try_from);
        tensors.push(Tensor {
            shape: shape
                .collect::<Result<_, _>>()
                .map_err(|_| format!("tensor `{key}`: its shape is too large for this machine"))?,
            dtype: entry.dtype,
            start: data_start.saturating_add(start),
            bytes: end - start,
            key,
        });
    }
    Ok(tensors)
}

fn refuse(file: &str, message: String) -> ShardError {
    ShardError::Header {
        file: file.to_owned(),
        message: printable(&message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str, data: u64) -> Result<Header, ShardError> {
        let head = [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat();
        Header::parse(&head, head.len() as u64 + data, "file")
    }

    #[test]
    fn extents_are_counted_from_the_beginning_of_the_file() {
        let json = r#"{"b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#;
        let header = parse(json, 14).unwrap();
        let start = 8 + json.len() as u64;
        let extents = header
            .tensors
            .iter()
            .map(|tensor| (&tensor.key[..], tensor.start - start, tensor.bytes));
        assert_eq!(extents.collect::<Vec<_>>(), [("a", 0, 8), ("b", 8, 6)]);
    }

    #[test]
    fn tensors_of_more_bytes_than_a_browser_counts_are_read() {
        let bytes: u64 = 2 * 151_552 * 65_536;
        let json = format!(
            r#"{{"a":{{"dtype":"BF16","shape":[151552,65536],"data_offsets":[0,{bytes}]}}}}"#
        );
        assert_eq!(parse(&json, bytes).unwrap().tensors[0].bytes, bytes);
    }

    #[test]
    fn hostile_headers_are_refused() {
        let one = |rest: &str| format!(r#"{{"a":{{"dtype":"F32",{rest}}}}}"#);
        for (json, data) in [
            (one(r#""shape":[2],"data_offsets":[0,4]"#), 4),
            (one(r#""shape":[1],"data_offsets":[4,8]"#), 8),
            (one(r#""shape":[1],"data_offsets":[4,0]"#), 4),
            (one(r#""shape":[1],"data_offsets":[0,4]"#), 5),
            (one(r#""shape":[1],"data_offsets":[0,4]"#), 3),
            (
                one(r#""shape":[18446744073709551615,18446744073709551615],"data_offsets":[0,4]"#),
                4,
            ),
            (one(r#""shape":[1],"data_offsets":[0,-4]"#), 4),
            (
                one(r#""shape":[1],"data_offsets":[0,4]"#).replace("\"a\"", r#""\u001b[2J""#),
                4,
            ),
            (
                r#"{"a":{"dtype":"\u001b[2J","shape":[1],"data_offsets":[0,4]}}"#.to_owned(),
                4,
            ),
            ("not json".to_owned(), 0),
            ("[]".to_owned(), 0),
        ] {
            let error = parse(&json, data).unwrap_err();
            assert!(matches!(error, ShardError::Header { .. }), "{json}");
            assert!(!error.to_string().contains(char::is_control), "{json}");
        }
        let overlap = r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#;
        assert!(parse(overlap, 6).is_err());
    }

    #[test]
    fn a_header_longer_than_the_file_or_the_format_is_refused() {
        let start =
            |length: u64, file_len| Header::data_start(length.to_le_bytes(), file_len, "file");
        assert_eq!(start(10, 18).unwrap(), 18);
        assert!(start(10, 17).is_err() && start(u64::MAX, u64::MAX).is_err());
        assert!(start(100_000_000, u64::MAX).is_ok() && start(100_000_001, u64::MAX).is_err());
        assert!(Header::parse(&[0; 7], 7, "file").is_err());
    }

    #[test]
    fn text_in_the_place_of_a_shard_is_recognised() {
        let pointer =
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4972489328\n";
        let page = b"<!DOCTYPE html>\n<html lang=\"en\">";
        for (text, expected) in [
            (&pointer[..], Substitute::LfsPointer),
            (page, Substitute::WebPage),
        ] {
            let error = Header::parse(text, text.len() as u64, "a.safetensors").unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with("a.safetensors: this is a"), "{message}");
            let substitute = expected;
            let file = "a.safetensors".to_owned();
            assert_eq!(error, ShardError::Substitute { file, substitute });
        }
    }
}
