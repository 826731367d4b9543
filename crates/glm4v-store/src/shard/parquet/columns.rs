//! All columns but the embeddings.

use std::io::Write;

use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::writer::SerializedRowGroupWriter;

use super::super::Row;

/// The rows that wait for their row group.
#[derive(Default)]
pub(super) struct Columns {
    ids: Vec<ByteArray>,
    paths: Vec<ByteArray>,
    path_bytes: Vec<Option<ByteArray>>,
    grids: Vec<Option<Vec<i32>>>,
    tokens: Vec<Option<i32>>,
    frame_indices: Vec<Option<Vec<i64>>>,
    timestamps: Vec<Option<Vec<f64>>>,
    fps: Vec<Option<f64>>,
    seconds: Vec<Option<f64>>,
    frames: Vec<Option<i64>>,
    sha256: Vec<Option<ByteArray>>,
    errors: Vec<Option<ByteArray>>,
}

impl Columns {
    pub(super) fn rows(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        let values = row.outcome.as_ref().ok();
        let video = values.and_then(|values| values.video);
        let grid = values.map(|values| <[usize; 3]>::from(values.grid));
        let bytes = |text: &str| ByteArray::from(text.as_bytes().to_vec());
        self.ids.push(bytes(row.id));
        self.paths.push(bytes(row.path));
        let exact = row.path_bytes.map(|bytes| ByteArray::from(bytes.to_vec()));
        self.path_bytes.push(exact);
        self.grids
            .push(grid.map(|grid| grid.iter().map(|&side| side as i32).collect()));
        self.tokens.push(values.map(|values| values.tokens as i32));
        let indices = |indices: &[usize]| indices.iter().map(|&index| index as i64).collect();
        self.frame_indices
            .push(video.map(|video| indices(video.indices)));
        self.timestamps
            .push(video.map(|video| video.timestamps.to_vec()));
        self.fps.push(video.and_then(|video| video.fps));
        self.seconds.push(video.and_then(|video| video.duration));
        let frames = video.and_then(|video| video.total_frames);
        self.frames.push(frames.map(|frames| frames as i64));
        self.sha256.push(row.sha256.map(bytes));
        self.errors
            .push(row.outcome.as_ref().err().copied().map(bytes));
    }

    pub(super) fn write_before_embeddings<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        write::<ByteArrayType, W>(group, &self.ids, None, None)?;
        write::<ByteArrayType, W>(group, &self.paths, None, None)?;
        nullable::<ByteArrayType, W>(group, &self.path_bytes)?;
        lists::<Int32Type, W>(group, &self.grids)?;
        nullable::<Int32Type, W>(group, &self.tokens)
    }

    pub(super) fn write_after_embeddings<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        lists::<Int64Type, W>(group, &self.frame_indices)?;
        lists::<DoubleType, W>(group, &self.timestamps)?;
        nullable::<DoubleType, W>(group, &self.fps)?;
        nullable::<DoubleType, W>(group, &self.seconds)?;
        nullable::<Int64Type, W>(group, &self.frames)?;
        nullable::<ByteArrayType, W>(group, &self.sha256)?;
        nullable::<ByteArrayType, W>(group, &self.errors)
    }
}

fn nullable<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Option<T::T>],
) -> Result<(), ParquetError> {
    let definitions: Vec<i16> = rows.iter().map(|row| i16::from(row.is_some())).collect();
    let values: Vec<T::T> = rows.iter().flatten().cloned().collect();
    write::<T, W>(group, &values, Some(&definitions), None)
}

/// Definition levels: 0 for no list, 1 for an empty list, 2 for a value. Repetition levels: 0 where a row begins.
fn lists<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Option<Vec<T::T>>],
) -> Result<(), ParquetError> {
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match row.as_deref() {
            None => {
                definitions.push(0);
                repetitions.push(0);
            }
            Some([]) => {
                definitions.push(1);
                repetitions.push(0);
            }
            Some(list) => {
                values.extend_from_slice(list);
                definitions.extend(list.iter().map(|_| 2));
                repetitions.extend((0..list.len()).map(|place| i16::from(place > 0)));
            }
        }
    }
    write::<T, W>(group, &values, Some(&definitions), Some(&repetitions))
}

fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has too few columns".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column
        .typed::<T>()
        .write_batch(values, definitions, repetitions)?;
    column.close()
}
