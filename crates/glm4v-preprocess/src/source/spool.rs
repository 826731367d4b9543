use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::ReadOptions;
use crate::PreprocessError;

/// A video that can be read only once, saved as a file in which ffmpeg can seek. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct Spool(TempPath);

const BUFFER_BYTES: usize = 1 << 20;

impl Spool {
    /// Saves `start`, which was read already, and the rest of `reader`.
    pub(super) fn save(
        start: &[u8],
        reader: &mut impl Read,
        options: &ReadOptions,
    ) -> Result<Self, PreprocessError> {
        let dir = directory(options);
        let limit = options.max_spooled_bytes;
        let copy = || -> io::Result<_> {
            let file = tempfile::Builder::new()
                .prefix(".glm4v-")
                .tempfile_in(&dir)?;
            let mut writer = BufWriter::with_capacity(BUFFER_BYTES, file.as_file());
            let bytes = io::copy(
                &mut start.chain(reader).take(limit.saturating_add(1)),
                &mut writer,
            )?;
            writer.flush()?;
            drop(writer);
            Ok((file.into_temp_path(), bytes))
        };
        match copy() {
            Ok((_, bytes)) if bytes > limit => Err(PreprocessError::LongPipe { limit }),
            Ok((file, _)) => Ok(Self(file)),
            Err(source) => Err(PreprocessError::Spool { dir, source }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

fn directory(options: &ReadOptions) -> PathBuf {
    options.spool_dir.clone().unwrap_or_else(std::env::temp_dir)
}
