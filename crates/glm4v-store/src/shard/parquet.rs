//! A shard as a Parquet file.
//!
//! Small columns go through the ordinary writers of the crate `parquet`. Embeddings do not: their writers need levels for
//! every single value, and for f16 an object for every value. `page` builds the pages of this one column instead.

use std::path::Path;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::SerializedFileWriter;

use self::columns::Columns;
use self::embeddings::Embeddings;
use super::{Layout, Row, ShardFile};
use crate::StoreError;
use crate::disk::Disk;
use crate::new_file::NewFile;

mod columns;
mod embeddings;
mod page;
mod schema;

/// Bytes of embeddings in a row group. One row may be larger.
const GROUP_BYTES: usize = 16 << 20;
/// Rows in a row group. It bounds memory if embeddings are small.
const GROUP_ROWS: usize = 10_000;

pub(crate) struct Shard {
    writer: SerializedFileWriter<NewFile>,
    /// The rows of the next row group.
    columns: Columns,
    embeddings: Embeddings,
}

impl Shard {
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        path: &Path,
        layout: &Layout,
    ) -> Result<Self, StoreError> {
        let file = NewFile::create(disk, path)?;
        let schema = schema::arrow(layout);
        let writer = schema::parquet(&schema)
            .and_then(|parquet| {
                SerializedFileWriter::new(file, parquet, properties(&schema, layout))
            })
            .map_err(at(path))?;
        let descriptor = writer.schema_descr().column(schema::EMBEDDINGS);
        Ok(Self {
            writer,
            columns: Columns::default(),
            embeddings: Embeddings::new(descriptor, layout),
        })
    }

    pub(crate) fn push(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        let values = row.outcome.as_ref().ok();
        let bytes = values.map_or(0, |values| values.bytes.len());
        let full =
            self.embeddings.bytes() + bytes > GROUP_BYTES || self.columns.rows() >= GROUP_ROWS;
        if full && self.columns.rows() > 0 {
            self.end_group()?;
        }
        self.columns.push(row);
        self.embeddings.push(row).map_err(at(self.path()))
    }

    pub(crate) fn finish(mut self) -> Result<ShardFile, StoreError> {
        if self.columns.rows() > 0 {
            self.end_group()?;
        }
        let closed = self.writer.finish();
        closed.map_err(at(self.path()))?;
        let written = self.writer.inner_mut().publish()?;
        Ok(ShardFile::new(self.path(), written))
    }

    fn end_group(&mut self) -> Result<(), StoreError> {
        self.try_end_group().map_err(at(self.path()))
    }

    fn try_end_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        let columns = std::mem::take(&mut self.columns);
        columns.write_before_embeddings(&mut group)?;
        self.embeddings.write(&mut group, columns.rows())?;
        columns.write_after_embeddings(&mut group)?;
        group.close()?;
        Ok(())
    }

    fn path(&self) -> &Path {
        self.writer.inner().path()
    }
}

/// Refuses a row that is too large.
pub(super) fn check(row: &Row<'_>) -> Result<(), StoreError> {
    let Ok(values) = &row.outcome else {
        return Ok(());
    };
    let bytes = values.bytes.len();
    if page::fits(values.tokens, bytes) {
        return Ok(());
    }
    let problem = format!(
        "its embeddings have {bytes} bytes, and a row of a Parquet file has at most 2 GiB; use the format safetensors, or \
         lower the limit of tokens"
    );
    let id = row.id.into();
    Err(StoreError::Record { id, problem })
}

/// No compression, because embeddings do not shrink, and no dictionaries, because rows differ.
fn properties(schema: &arrow_schema::Schema, layout: &Layout) -> Arc<WriterProperties> {
    let metadata = vec![
        KeyValue::new(schema::MANIFEST.into(), layout.manifest.clone()),
        schema::metadata(schema),
    ];
    let properties = WriterProperties::builder()
        .set_created_by(concat!("glm4v-store version ", env!("CARGO_PKG_VERSION")).into())
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(metadata));
    Arc::new(properties.build())
}

/// An error of the crate `parquet` at `path`. Most contain an error of the operating system.
fn at(path: &Path) -> impl FnOnce(ParquetError) -> StoreError {
    let path = path.to_owned();
    move |error| {
        let source = match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(source) => *source,
                Err(source) => std::io::Error::other(source),
            },
            error => std::io::Error::other(error),
        };
        StoreError::io(&path)(source)
    }
}
