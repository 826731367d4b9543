use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::PreprocessError;

/// The bytes of a file, at most `limit` of them.
pub(crate) fn read_up_to(path: &Path, limit: u64) -> Result<Vec<u8>, PreprocessError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|source| io_error(path, source))?;
    Ok(bytes)
}

/// Reads on from `reader` to its end, or until `bytes` has `limit` bytes. `path` stands for the input in errors.
pub(crate) fn read_on(
    path: &Path,
    reader: &mut impl Read,
    bytes: &mut Vec<u8>,
    limit: u64,
) -> Result<(), PreprocessError> {
    let missing = limit.saturating_sub(bytes.len() as u64);
    let read = reader.take(missing).read_to_end(bytes);
    read.map(drop).map_err(|source| io_error(path, source))
}

pub(crate) fn io_error(path: &Path, source: std::io::Error) -> PreprocessError {
    PreprocessError::Io {
        path: path.to_owned(),
        source,
    }
}
