use std::ffi::OsString;
use std::fs::File;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::columns::Columns;
use super::{Row, Rows, at};
use crate::{CollectError, Manifest, path_text};

/// A manifest in CSV. Its first row has the names of the columns.
pub(super) struct Csv {
    manifest: Manifest,
    reader: Reader<File>,
    record: ByteRecord,
    path: (usize, String),
    id: Option<(usize, String)>,
    /// After an error of the disk.
    ended: bool,
}

impl Csv {
    pub(super) fn open(manifest: &Manifest, delimiter: u8) -> Result<Self, CollectError> {
        let path = &manifest.path;
        let file = File::open(path).map_err(CollectError::io(path))?;
        let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(file);
        let header = reader
            .byte_headers()
            .map_err(|error| failed(manifest, error))?;
        let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let columns =
            Columns::choose(manifest, &names).map_err(|error| at(path, "line", 1, error))?;
        let index = |column: String| {
            let index = names.iter().position(|name| *name == column);
            (index.expect("a chosen column"), column)
        };
        let (path, id) = (index(columns.path), columns.id.map(index));
        Ok(Self {
            manifest: manifest.clone(),
            reader,
            record: ByteRecord::new(),
            path,
            id,
            ended: false,
        })
    }

    fn row(&self, number: u64) -> Result<Row, CollectError> {
        let field = |index: usize| self.record.get(index).unwrap_or_default().to_vec();
        let not_utf8 = |column: &str| {
            CollectError::value(format!("UTF-8 in the column `{column}`"), "other bytes")
        };
        let (index, column) = &self.path;
        let path: OsString =
            path_text::from_bytes(field(*index)).ok_or_else(|| not_utf8(column))?;
        let id = self
            .id
            .as_ref()
            .map(|(index, column)| String::from_utf8(field(*index)).map_err(|_| not_utf8(column)));
        Ok(Row {
            number,
            path,
            id: id.transpose()?,
        })
    }
}

impl Rows for Csv {
    fn next(&mut self) -> Option<Result<Row, CollectError>> {
        if self.ended {
            return None;
        }
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let number = self.record.position().map_or(0, csv::Position::line);
                let row = self.row(number);
                Some(row.map_err(|error| at(&self.manifest.path, self.unit(), number, error)))
            }
            Err(error) => {
                self.ended = error.is_io_error();
                Some(Err(failed(&self.manifest, error)))
            }
        }
    }

    fn unit(&self) -> &'static str {
        "line"
    }
}

fn failed(manifest: &Manifest, error: csv::Error) -> CollectError {
    let path = &manifest.path;
    let message = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => CollectError::io(path)(source),
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let error = CollectError::value(format!("{expected_len} columns"), len.to_string());
            at(path, "line", pos.map_or(0, |pos| pos.line()), error)
        }
        _ => CollectError::Manifest {
            manifest: path.clone(),
            problem: message,
        },
    }
}
