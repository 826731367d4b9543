//! The column `embeddings` of a row group.

use std::io::Write;

use ::parquet::basic::{Compression, Encoding};
use ::parquet::column::page::{CompressedPage, PageWriter};
use ::parquet::column::writer::ColumnCloseResult;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use ::parquet::schema::types::ColumnDescPtr;
use bytes::Bytes;

use super::super::{Layout, Row};
use super::GROUP_BYTES;
use super::page;

/// Bytes of a page's header, at most.
const PAGE_HEADER: usize = 128;

/// The pages that wait for their row group: columns before them must be written first.
pub(super) struct Embeddings {
    descriptor: ColumnDescPtr,
    layout: Layout,
    pages: Vec<u8>,
    /// Values in all pages. A row without embeddings counts as one.
    values: i64,
}

impl Embeddings {
    pub(super) fn new(descriptor: ColumnDescPtr, layout: &Layout) -> Self {
        Self {
            descriptor,
            layout: layout.clone(),
            pages: Vec::new(),
            values: 0,
        }
    }

    /// Bytes of all pages.
    pub(super) fn bytes(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), ParquetError> {
        let (width, size) = (self.layout.width, self.layout.dtype.size());
        let page = match &row.outcome {
            Ok(values) => {
                let tokens = values.bytes.len() / (width * size);
                page::row(self.layout.pool, tokens, width, values.bytes)
            }
            Err(_) => page::null(),
        };
        self.values += i64::from(page.num_values());
        self.append(page)
    }

    fn append(&mut self, page: CompressedPage) -> Result<(), ParquetError> {
        if self.pages.is_empty() {
            // Growing by doubling would take twice the memory.
            let first = page.compressed_size() + PAGE_HEADER;
            self.pages.reserve_exact(first.max(GROUP_BYTES));
        }
        let mut sink = TrackedWrite::new(&mut self.pages);
        SerializedPageWriter::new(&mut sink).write_page(page)?;
        sink.flush()?;
        Ok(())
    }

    /// Writes the column to `group`, and starts the next one.
    pub(super) fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        rows: usize,
    ) -> Result<(), ParquetError> {
        let pages = Bytes::from(std::mem::take(&mut self.pages));
        let bytes = pages.len();
        let metadata = ColumnChunkMetaData::builder(self.descriptor.clone())
            .set_compression(Compression::UNCOMPRESSED)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_total_compressed_size(bytes as i64)
            .set_total_uncompressed_size(bytes as i64)
            .set_num_values(std::mem::take(&mut self.values))
            .set_data_page_offset(0)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.append_column(&pages, close)
    }
}
