use std::collections::HashSet;
use std::io::Write;

use crate::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, Format, GgufError, MAGIC, Value, metadata};

/// The version that is written.
const VERSION: u32 = 3;

/// A tensor that [`Writer`] writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTensor {
    /// The name.
    pub name: String,
    /// The shape, outermost side first.
    pub shape: Vec<usize>,
    /// How the values are stored.
    pub format: Format,
}

/// Writes a GGUF file from front to back. Memory holds the header and one slice of values.
///
/// ```
/// use glm4v_gguf::{Format, NewTensor, Writer};
///
/// let name = |name: &str| name.to_owned();
/// let tensors = [("a", 64), ("b", 3)].map(|(tensor, len)| NewTensor {
///     name: name(tensor),
///     shape: vec![len],
///     format: if len == 64 { Format::Q8_0 } else { Format::F16 },
/// });
/// let mut writer = Writer::new(Vec::new(), &[(name("general.type"), "mmproj".into())], &tensors)?;
/// writer.values(&[0.5; 40])?; // slices may have any length
/// writer.values(&[0.5; 24])?;
/// writer.values(&[1.0, 2.0, 3.0])?;
/// let file = writer.finish()?;
/// assert_eq!(file.len() % 32, 0);
/// # Ok::<(), glm4v_gguf::GgufError>(())
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// Each tensor's format and number of values.
    tensors: Vec<(Format, u64)>,
    /// The tensor whose values come next.
    current: usize,
    /// Number of values of that tensor that were given.
    given: u64,
    /// Values of an incomplete block.
    rest: Vec<f32>,
    /// The blocks of one slice.
    blocks: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the header of a file with this metadata and these tensors.
    ///
    /// # Errors
    /// - [`GgufError::Unstorable`] for a name or key that is there twice, for a shape with more than four sides, and for
    ///   rows that are not whole blocks
    /// - [`GgufError::Write`] if the header cannot be written
    pub fn new(
        mut out: W,
        metadata: &[(String, Value)],
        tensors: &[NewTensor],
    ) -> Result<Self, GgufError> {
        check(metadata, tensors).map_err(|message| GgufError::Unstorable { message })?;
        out.write_all(&header(metadata, tensors))?;
        let tensors = tensors.iter();
        let mut writer = Self {
            out,
            tensors: tensors.map(|tensor| (tensor.format, len(tensor))).collect(),
            current: 0,
            given: 0,
            rest: Vec::new(),
            blocks: Vec::new(),
        };
        writer.end_tensors()?;
        Ok(writer)
    }

    /// Writes the next values, in the order of the tensors.
    ///
    /// # Errors
    /// [`GgufError::Write`] if they cannot be written.
    ///
    /// # Panics
    /// If there are more values than tensors have, or if a slice continues in the next tensor.
    pub fn values(&mut self, values: &[f32]) -> Result<(), GgufError> {
        if values.is_empty() {
            return Ok(());
        }
        let (format, len) = self.tensors[self.current];
        self.given += values.len() as u64;
        assert!(
            self.given <= len,
            "tensor {} has {len} values, not {}",
            self.current,
            self.given
        );
        self.blocks.clear();
        let missing = match self.rest.len() {
            0 => 0,
            found => (format.block_len() - found).min(values.len()),
        };
        let (first, values) = values.split_at(missing);
        self.rest.extend_from_slice(first);
        if self.rest.len() == format.block_len() {
            format.encode(&self.rest, &mut self.blocks);
            self.rest.clear();
        }
        let whole = values.len() / format.block_len() * format.block_len();
        format.encode(&values[..whole], &mut self.blocks);
        self.rest.extend_from_slice(&values[whole..]);
        self.out.write_all(&self.blocks)?;
        self.end_tensors()
    }

    /// Returns the output, to which everything is written.
    ///
    /// # Errors
    /// [`GgufError::Write`] if it cannot be flushed.
    ///
    /// # Panics
    /// If values are missing.
    pub fn finish(mut self) -> Result<W, GgufError> {
        let (found, count) = (self.current, self.tensors.len());
        assert_eq!(
            found, count,
            "the values of tensor {found} of {count} are missing"
        );
        self.out.flush()?;
        Ok(self.out)
    }

    /// Pads the current tensor if it is complete.
    fn end_tensors(&mut self) -> Result<(), GgufError> {
        while let Some(&(format, len)) = self.tensors.get(self.current)
            && self.given == len
        {
            self.out.write_all(padding(format.bytes(len)))?;
            self.current += 1;
            self.given = 0;
        }
        Ok(())
    }
}

fn check(metadata: &[(String, Value)], tensors: &[NewTensor]) -> Result<(), String> {
    let mut keys = HashSet::new();
    for (key, _) in metadata {
        if key == ALIGNMENT_KEY || !keys.insert(key) {
            return Err(format!(
                "the metadata `{key}` is there twice, or is the alignment"
            ));
        }
    }
    let mut names = HashSet::new();
    for NewTensor {
        name,
        shape,
        format,
    } in tensors
    {
        let (row, block) = (shape.last().copied().unwrap_or(1), format.block_len());
        if !names.insert(name) {
            return Err(format!("tensor `{name}` is there twice"));
        }
        if shape.len() > 4 {
            return Err(format!(
                "tensor `{name}` has a shape of {} sides",
                shape.len()
            ));
        }
        if !row.is_multiple_of(block) {
            return Err(format!(
                "tensor `{name}` has rows of {row} values, and {format} stores blocks of {block} along the row"
            ));
        }
    }
    Ok(())
}

fn header(metadata: &[(String, Value)], tensors: &[NewTensor]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        metadata::write(&mut bytes, key, value);
    }
    let mut start = 0;
    for tensor in tensors {
        let (format, shape) = (tensor.format, &tensor.shape);
        metadata::write_text(&mut bytes, &tensor.name);
        bytes.extend((shape.len() as u32).to_le_bytes());
        for &side in shape.iter().rev() {
            bytes.extend((side as u64).to_le_bytes());
        }
        bytes.extend(format.id().to_le_bytes());
        bytes.extend(u64::to_le_bytes(start));
        start += aligned(format.bytes(len(tensor)));
    }
    bytes.extend_from_slice(padding(bytes.len() as u64));
    bytes
}

fn len(tensor: &NewTensor) -> u64 {
    tensor.shape.iter().map(|&side| side as u64).product()
}

fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(DEFAULT_ALIGNMENT.into())
}

/// The bytes that follow `bytes` bytes, up to the alignment.
fn padding(bytes: u64) -> &'static [u8] {
    const ZEROS: [u8; DEFAULT_ALIGNMENT as usize] = [0; DEFAULT_ALIGNMENT as usize];
    &ZEROS[..(aligned(bytes) - bytes) as usize]
}
