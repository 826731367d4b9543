//! Shards: the files that hold embeddings.

use std::path::Path;
use std::sync::Arc;

use glm4v_config::GridThw;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::hashing::Written;
use crate::record::{Encoded, Record, Texts, VideoInfo, rows};
use crate::{OutputDtype, Pool, StoreError, pool};

pub(crate) mod parquet;
mod safetensors;

/// The format of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShardFormat {
    /// One row an input, for pyarrow, DuckDB, Polars, Ray and others. In f32 or f16.
    Parquet,
    /// One tensor an input, and an index in JSON lines beside it. In f32, f16 or bf16.
    Safetensors,
}

impl ShardFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Parquet, Self::Safetensors];

    /// The name on the command line and in `manifest.json`, which is also the extension: `parquet` or `safetensors`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Safetensors => "safetensors",
        }
    }
}

impl std::fmt::Display for ShardFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Checks that shards of a format can have values of this type and width.
pub(crate) fn check(
    format: ShardFormat,
    dtype: OutputDtype,
    width: usize,
) -> Result<(), StoreError> {
    let is_parquet = format == ShardFormat::Parquet;
    let problem = if width == 0 {
        "the width of the embeddings is 0".into()
    } else if is_parquet && dtype == OutputDtype::Bf16 {
        "Parquet has no type bf16; choose f16 or f32, or the format safetensors".into()
    } else if is_parquet && i32::try_from(width).is_err() {
        format!("width {width}: Parquet has lists of at most 2^31 - 1 values")
    } else {
        return Ok(());
    };
    Err(StoreError::Settings { problem })
}

/// How rows are stored.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) format: ShardFormat,
    pub(crate) dtype: OutputDtype,
    pub(crate) pool: Pool,
    pub(crate) width: usize,
    /// The manifest in JSON, which every shard repeats.
    pub(crate) manifest: String,
}

impl Layout {
    /// The row of a record. Refuses one that the format cannot store.
    pub(crate) fn row<'a>(
        &self,
        input: usize,
        record: &'a Record<'_>,
        texts: &'a Texts<'_>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Row<'a>, StoreError> {
        let row = Row {
            input,
            id: record.id,
            path: &texts.path,
            path_bytes: record.path_bytes(),
            sha256: texts.sha256.as_deref(),
            outcome: match &record.outcome {
                Ok(encoded) => Ok(self.values(record.id, encoded, buffer)?),
                Err(error) => Err(error),
            },
        };
        match self.format {
            ShardFormat::Parquet => parquet::check(&row)?,
            ShardFormat::Safetensors => {}
        }
        Ok(row)
    }

    /// Whether a row of `tokens` tokens can have `bytes` bytes of embeddings.
    pub(crate) fn fits(&self, tokens: usize, bytes: usize) -> bool {
        let row_bytes = self.width * self.dtype.size();
        let rows = match self.pool {
            Pool::None => tokens,
            Pool::Mean => 1,
        };
        tokens > 0 && rows.checked_mul(row_bytes) == Some(bytes)
    }

    /// Checks the embeddings of a record, and converts them.
    fn values<'a>(
        &self,
        id: &str,
        encoded: &Encoded<'a>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Values<'a>, StoreError> {
        let tokens = rows(id, encoded.tokens, self.width)?;
        buffer.clear();
        match self.pool {
            Pool::None => self.dtype.encode(encoded.tokens, buffer),
            Pool::Mean => self
                .dtype
                .encode(&pool::mean(encoded.tokens, self.width), buffer),
        }
        Ok(Values {
            grid: encoded.grid,
            tokens,
            bytes: buffer,
            video: encoded.video,
        })
    }
}

/// A record in the form in which it is stored.
pub(crate) struct Row<'a> {
    /// The number of the input, counted from 0.
    pub(crate) input: usize,
    pub(crate) id: &'a str,
    /// Bytes that are not UTF-8 are replaced.
    pub(crate) path: &'a str,
    /// The bytes of a path that is not UTF-8. Such a path cannot be found by its text.
    pub(crate) path_bytes: Option<&'a [u8]>,
    /// In hexadecimal digits.
    pub(crate) sha256: Option<&'a str>,
    pub(crate) outcome: Result<Values<'a>, &'a str>,
}

/// The embeddings of a row.
pub(crate) struct Values<'a> {
    pub(crate) grid: GridThw,
    /// Tokens before pooling.
    pub(crate) tokens: usize,
    /// `[rows, width]` values in the type of the layout.
    pub(crate) bytes: &'a [u8],
    pub(crate) video: Option<VideoInfo<'a>>,
}

/// A file of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardFile {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl ShardFile {
    fn new(path: &Path, written: Written) -> Self {
        let name = path.file_name().unwrap_or_default();
        Self {
            file: name.to_string_lossy().into_owned(),
            bytes: written.bytes,
            sha256: written.sha256,
        }
    }
}

/// The name of a file of shard `number`.
pub(crate) fn shard_name(number: usize, extension: &str) -> String {
    format!("shard-{number:06}.{extension}")
}

/// A shard that is being written. Its files appear when it is finished, and only then.
pub(crate) enum ShardWriter {
    Parquet(Box<parquet::Shard>),
    Safetensors(Box<safetensors::Shard>),
}

impl ShardWriter {
    /// Starts shard `number` in `dir`.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        number: usize,
        layout: &Layout,
    ) -> Result<Self, StoreError> {
        let path = dir.join(shard_name(number, layout.format.name()));
        Ok(match layout.format {
            ShardFormat::Parquet => {
                let shard = parquet::Shard::create(disk, &path, layout)?;
                Self::Parquet(Box::new(shard))
            }
            ShardFormat::Safetensors => {
                let shard = safetensors::Shard::create(disk, &path, layout)?;
                Self::Safetensors(Box::new(shard))
            }
        })
    }

    pub(crate) fn push(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        match self {
            Self::Parquet(shard) => shard.push(row),
            Self::Safetensors(shard) => shard.push(row),
        }
    }

    /// Writes the rest. Returns the shard, and its index if there is one.
    pub(crate) fn finish(self) -> Result<(ShardFile, Option<ShardFile>), StoreError> {
        match self {
            Self::Parquet(shard) => Ok((shard.finish()?, None)),
            Self::Safetensors(shard) => {
                let (shard, index) = shard.finish()?;
                Ok((shard, Some(index)))
            }
        }
    }
}
