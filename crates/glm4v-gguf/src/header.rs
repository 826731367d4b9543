use std::collections::HashSet;
use std::io::Read;

use glm4v_config::Substitute;

use crate::read::HeaderReader;
use crate::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, GgufError, MAGIC, TensorType, Value, metadata};

/// The versions that are read. They have one layout; version 3 added big-endian files.
const VERSIONS: [u32; 2] = [2, 3];
/// Bytes of the shortest entry of a tensor: the length of its name, the number of its sides, its type and its offset.
const MIN_TENSOR_BYTES: u64 = 8 + 4 + 4 + 8;
/// Sides of a shape in ggml.
const MAX_SIDES: u32 = 4;

/// The metadata and the tensors of a GGUF file.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The keys and values, in the order of the file.
    pub metadata: Vec<(String, Value)>,
    /// The tensors, in the order of the file.
    pub tensors: Vec<TensorInfo>,
}

/// One tensor of a GGUF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name.
    pub name: String,
    /// The shape, outermost side first, as in safetensors. Files have the reverse order.
    pub shape: Vec<usize>,
    /// The type.
    pub tensor_type: TensorType,
    /// The position of its first byte in the file.
    pub start: u64,
    /// Number of bytes.
    pub bytes: u64,
}

impl Header {
    /// Reads and validates the header of a file of `file_len` bytes, called `file` in errors. The reader is at the first byte.
    ///
    /// # Errors
    /// - [`GgufError::Header`] for a damaged or truncated file. Tensors must have the length of their shape and type. They
    ///   must be aligned, must not overlap, and must lie inside the file.
    /// - [`GgufError::Unsupported`] for a version or byte order that is not read
    /// - [`GgufError::Substitute`] for a file of another format
    /// - [`GgufError::Io`] if the file cannot be read
    pub fn read(input: impl Read, file_len: u64, file: &str) -> Result<Self, GgufError> {
        let mut reader = HeaderReader::new(input, file_len, file);
        check_magic(&mut reader, file)?;
        check_version(&mut reader, file)?;
        let num_tensors = reader.u64("the number of tensors")?;
        let num_pairs = reader.u64("the number of metadata pairs")?;
        reader.check(num_tensors, MIN_TENSOR_BYTES, "the list of tensors")?;
        let metadata = metadata::read(&mut reader, num_pairs)?;
        let alignment = alignment(&metadata).map_err(|message| reader.refuse(message))?;
        let mut tensors = Vec::new();
        for index in 0..num_tensors {
            tensors.push(tensor(&mut reader, index, alignment)?);
        }
        place(&mut tensors, reader.position(), alignment, file_len)
            .map_err(|message| reader.refuse(message))?;
        Ok(Self { metadata, tensors })
    }

    /// The value of `key`, if the metadata has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let mut pairs = self.metadata.iter();
        pairs
            .find(|(found, _)| found == key)
            .map(|(_, value)| value)
    }

    /// The tensor `name`, if the file has it.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}

fn check_magic<R: Read>(reader: &mut HeaderReader<'_, R>, file: &str) -> Result<(), GgufError> {
    let magic: [u8; 4] = reader.array("the first word")?;
    if magic == MAGIC {
        return Ok(());
    }
    let next: [u8; 4] = reader.array("the second word")?;
    let first = [magic, next].concat();
    if let Some(substitute) = Substitute::of(&first) {
        let file = file.to_owned();
        return Err(GgufError::Substitute { file, substitute });
    }
    Err(reader.refuse(format!(
        "it must begin with the letters GGUF, and begins with `{}`",
        magic.escape_ascii()
    )))
}

fn check_version<R: Read>(reader: &mut HeaderReader<'_, R>, file: &str) -> Result<(), GgufError> {
    let version = reader.u32("the version")?;
    let message = match version {
        found if VERSIONS.contains(&found) => return Ok(()),
        found if VERSIONS.contains(&found.swap_bytes()) => {
            "its numbers are big-endian; convert the model again without --bigendian".to_owned()
        }
        found => format!(
            "its version is {found}, and versions 2 and 3 are read; convert the model again with a current llama.cpp"
        ),
    };
    let file = file.to_owned();
    Err(GgufError::Unsupported { file, message })
}

fn alignment(metadata: &[(String, Value)]) -> Result<u64, String> {
    let found = metadata.iter().find(|(key, _)| key == ALIGNMENT_KEY);
    match found.map(|(_, value)| value) {
        None => Ok(DEFAULT_ALIGNMENT.into()),
        Some(Value::U32(alignment)) if alignment.is_power_of_two() => Ok((*alignment).into()),
        Some(value) => Err(format!(
            "metadata `{ALIGNMENT_KEY}` must be a power of two of 32 bits, and is {}",
            value.shown()
        )),
    }
}

/// Reads the entry of a tensor. Its `start` is counted from the first byte after the header.
fn tensor<R: Read>(
    reader: &mut HeaderReader<'_, R>,
    index: u64,
    alignment: u64,
) -> Result<TensorInfo, GgufError> {
    let name = reader.text(&format!("the name of tensor {index}"))?;
    let what = format!("tensor `{name}`");
    if name.is_empty() || name.contains(char::is_control) {
        return Err(reader.refuse(format!(
            "the name of tensor {index} is empty or contains control characters"
        )));
    }
    let sides = reader.u32(&what)?;
    if sides > MAX_SIDES {
        return Err(reader.refuse(format!(
            "{what} has a shape of {sides} sides, and {MAX_SIDES} are possible"
        )));
    }
    let mut shape = reader.numbers(sides.into(), &what, u64::from_le_bytes)?;
    let id = reader.u32(&what)?;
    let start = reader.u64(&what)?;
    let tensor_type = TensorType::of_id(id).ok_or_else(|| {
        reader.refuse(format!(
            "{what} has the type {id}, which is unknown; convert the model to F32, F16, BF16 or Q8_0"
        ))
    })?;
    let bytes = bytes(&shape, tensor_type).map_err(|fault| reader.refuse(what.clone() + &fault))?;
    if !start.is_multiple_of(alignment) {
        return Err(reader.refuse(format!(
            "{what} begins at byte {start} of the data, which is not a multiple of the alignment {alignment}"
        )));
    }
    shape.reverse();
    let shape = shape.into_iter().map(usize::try_from);
    Ok(TensorInfo {
        name,
        shape: shape.collect::<Result<_, _>>().map_err(|_| {
            reader.refuse(format!(
                "{what} has a shape that is too large for this machine"
            ))
        })?,
        tensor_type,
        start,
        bytes,
    })
}

/// Number of bytes of a tensor. The innermost side is the first.
fn bytes(shape: &[u64], tensor_type: TensorType) -> Result<u64, String> {
    let TensorType {
        name,
        block_len,
        block_bytes,
        ..
    } = tensor_type;
    let row = shape.first().copied().unwrap_or(1);
    if shape.contains(&0) {
        return Err(format!(
            " has no values: its shape is {shape:?}, innermost first"
        ));
    }
    if !row.is_multiple_of(block_len) {
        return Err(format!(
            " has rows of {row} values, and {name} stores blocks of {block_len} along the row"
        ));
    }
    let mut sides = shape.iter().skip(1);
    let row_bytes = (row / block_len).checked_mul(block_bytes);
    let bytes =
        row_bytes.and_then(|row| sides.try_fold(row, |bytes, &side| bytes.checked_mul(side)));
    bytes.ok_or_else(|| format!(" has too many values: its shape is {shape:?}, innermost first"))
}

/// Counts the positions of `tensors` from the beginning of the file, and checks that their bytes are there and are not
/// shared. The header has `header_len` bytes.
fn place(
    tensors: &mut [TensorInfo],
    header_len: u64,
    alignment: u64,
    file_len: u64,
) -> Result<(), String> {
    let data_start = header_len.next_multiple_of(alignment);
    let mut names = HashSet::new();
    for tensor in &mut *tensors {
        let name = &tensor.name;
        if !names.insert(name.clone()) {
            return Err(format!("tensor `{name}` is there twice"));
        }
        let start = data_start.checked_add(tensor.start);
        let end = start.and_then(|start| start.checked_add(tensor.bytes));
        match (start, end) {
            (Some(start), Some(end)) if end <= file_len => tensor.start = start,
            _ => {
                let (start, bytes) = (tensor.start, tensor.bytes);
                return Err(format!(
                    "tensor `{name}` has {bytes} bytes from byte {start} of the data on, which is past the end of the \
                     file ({file_len} bytes); download the file again"
                ));
            }
        }
    }
    let mut sorted: Vec<&TensorInfo> = tensors.iter().collect();
    sorted.sort_by_key(|tensor| tensor.start);
    let mut pairs = sorted.windows(2);
    match pairs.find(|pair| pair[0].start + pair[0].bytes > pair[1].start) {
        None => Ok(()),
        Some(pair) => Err(format!(
            "tensors `{}` and `{}` share bytes",
            pair[0].name, pair[1].name
        )),
    }
}

#[cfg(test)]
mod tests;
