//! The head of a safetensors file. Values follow it as they are, so a large tensor needs no second copy.

use std::fmt::Write;

/// A tensor of the file.
pub(crate) struct TensorEntry<'a> {
    pub(crate) name: &'a str,
    /// The name of its type: `F32`, `BF16`.
    pub(crate) dtype: &'static str,
    /// Rows and columns.
    pub(crate) shape: [usize; 2],
    pub(crate) bytes: usize,
}

/// Everything before the values. Tensors follow each other in the order of `tensors`.
pub(crate) fn head(metadata: &[(&str, &str)], tensors: &[TensorEntry<'_>]) -> Vec<u8> {
    let mut json = String::from("{");
    if !metadata.is_empty() {
        let pairs = metadata
            .iter()
            .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)));
        let pairs: Vec<String> = pairs.collect();
        json.push_str("\"__metadata__\":{");
        json.push_str(&pairs.join(","));
        json.push('}');
    }
    let mut start = 0;
    for tensor in tensors {
        let [rows, columns] = tensor.shape;
        let end = start + tensor.bytes;
        let comma = if json.len() > 1 { "," } else { "" };
        // Writing to a `String` cannot fail.
        let _ = write!(
            json,
            "{comma}{}:{{\"dtype\":\"{}\",\"shape\":[{rows},{columns}],\"data_offsets\":[{start},{end}]}}",
            quoted(tensor.name),
            tensor.dtype,
        );
        start = end;
    }
    json.push('}');
    // Values begin at a multiple of 8 bytes.
    let length = json.len().next_multiple_of(8);
    let mut head = (length as u64).to_le_bytes().to_vec();
    head.extend_from_slice(json.as_bytes());
    head.resize(8 + length, b' ');
    head
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use safetensors::{Dtype, SafeTensors};

    use super::*;

    #[test]
    fn the_crate_safetensors_reads_it() {
        let tensor = |name, rows, bytes| TensorEntry {
            name,
            dtype: "F32",
            shape: [rows, 2],
            bytes,
        };
        let mut file = head(
            &[("a \"name\"", "a\nvalue"), ("b", "")],
            &[tensor("first", 1, 8), tensor("a second", 2, 16)],
        );
        assert_eq!(file.len() % 8, 0);
        file.extend((0..24).collect::<Vec<u8>>());
        let read = SafeTensors::deserialize(&file).unwrap();
        let second = read.tensor("a second").unwrap();
        assert_eq!((second.dtype(), second.shape()), (Dtype::F32, &[2, 2][..]));
        assert_eq!(second.data(), (8..24).collect::<Vec<u8>>());
        let (_, metadata) = SafeTensors::read_metadata(&file).unwrap();
        let metadata = metadata.metadata().as_ref().unwrap();
        assert_eq!(metadata["a \"name\""], "a\nvalue");
    }

    #[test]
    fn a_file_without_metadata_has_no_entry_for_it() {
        let file = head(&[], &[]);
        assert_eq!(&file[8..], b"{}      ");
    }
}
