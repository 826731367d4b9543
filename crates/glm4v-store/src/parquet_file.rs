use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::disk::{Disk, RealDisk};
use crate::record::Record;
use crate::shard::parquet::Shard;
use crate::shard::{Layout, check};
use crate::{OutputDtype, Pool, ShardFormat, StoreError};

/// How a [`ParquetFile`] stores embeddings.
#[derive(Clone, Debug)]
pub struct ParquetOptions {
    /// Values of one token.
    pub width: usize,
    /// The type of stored embeddings: f32 or f16, because Parquet has no bf16.
    pub output_dtype: OutputDtype,
    /// Whether all tokens are stored, or their mean.
    pub pool: Pool,
    /// What the file says of itself, under the key `glm4v` of its metadata. Width, type and pool are added.
    pub metadata: Map<String, Value>,
}

/// One Parquet file with the embeddings of any number of inputs. It has the columns of a [`Job`](crate::Job)'s shards.
///
/// A job can be continued after an interruption. This file cannot: it gets its name when it is complete, and disappears if it
/// is dropped before.
///
/// ```
/// use std::path::Path;
///
/// use glm4v_store::{Encoded, GridThw, OutputDtype, ParquetFile, ParquetOptions, Pool, Record};
/// # let temporary = tempfile::tempdir().unwrap();
/// # let dir = temporary.path();
///
/// let options = ParquetOptions {
///     width: 2,
///     output_dtype: OutputDtype::F16,
///     pool: Pool::None,
///     metadata: Default::default(),
/// };
/// let mut file = ParquetFile::create(dir.join("pets.parquet"), &options)?;
/// let encoded = Encoded { grid: GridThw::new(1, 2, 4), tokens: &[0.5, 1.0, 1.5, 2.0], video: None };
/// file.push(&Record { id: "cat", path: Path::new("cat.jpg"), sha256: None, outcome: Ok(encoded) })?;
/// file.push(&Record { id: "dog", path: Path::new("dog.jpg"), sha256: None, outcome: Err("it is damaged") })?;
/// assert_eq!(file.finish()?, 2);
/// # Ok::<(), glm4v_store::StoreError>(())
/// ```
pub struct ParquetFile {
    shard: Shard,
    layout: Layout,
    rows: usize,
    /// The values of one record, in the type in which they are stored.
    buffer: Vec<u8>,
}

impl ParquetFile {
    /// Starts a file. An older file of this name stays until the new one is finished.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Settings`]: the options contradict each other.
    /// - [`StoreError::Io`], [`StoreError::NoSpace`]: the disk refuses.
    pub fn create(path: impl AsRef<Path>, options: &ParquetOptions) -> Result<Self, StoreError> {
        check(ShardFormat::Parquet, options.output_dtype, options.width)?;
        let mut metadata = options.metadata.clone();
        metadata.insert("width".into(), options.width.into());
        metadata.insert("output_dtype".into(), options.output_dtype.name().into());
        metadata.insert("pool".into(), options.pool.name().into());
        let layout = Layout {
            format: ShardFormat::Parquet,
            dtype: options.output_dtype,
            pool: options.pool,
            width: options.width,
            manifest: Value::Object(metadata).to_string(),
        };
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        Ok(Self {
            shard: Shard::create(&disk, path.as_ref(), &layout)?,
            layout,
            rows: 0,
            buffer: Vec::new(),
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// Fails if the embeddings do not have the width of the file, or if the disk refuses.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        let texts = record.texts();
        let row = self
            .layout
            .row(self.rows, record, &texts, &mut self.buffer)?;
        self.shard.push(&row)?;
        self.rows += 1;
        Ok(())
    }

    /// Writes the rest, and gives the file its name. Returns the number of rows.
    ///
    /// # Errors
    ///
    /// Fails if the disk refuses.
    pub fn finish(self) -> Result<usize, StoreError> {
        self.shard.finish()?;
        Ok(self.rows)
    }
}

impl std::fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetFile")
            .field("layout", &self.layout)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}
