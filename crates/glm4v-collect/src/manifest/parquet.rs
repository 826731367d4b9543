use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row as Record};
use parquet::schema::types::Type;

use super::columns::Columns;
use super::{Row, Rows, at};
use crate::{CollectError, Manifest, path_text};

/// A manifest in Parquet, read page by page. Other columns than the two are skipped.
pub(super) struct Parquet {
    manifest: Manifest,
    columns: Columns,
    /// `None` at the end, and after an error of the file.
    records: Option<RowIter<'static>>,
    /// The number of rows that were read.
    rows: u64,
}

impl Parquet {
    pub(super) fn open(manifest: &Manifest) -> Result<Self, CollectError> {
        let path = &manifest.path;
        let file = File::open(path).map_err(CollectError::io(path))?;
        contain(|| Ok(Self::read_header(manifest, file)))
            .unwrap_or_else(|error| Err(damaged(manifest, &error)))
    }

    fn read_header(manifest: &Manifest, file: File) -> Result<Self, CollectError> {
        let path = &manifest.path;
        let damaged = |error: ParquetError| damaged(manifest, &error);
        let reader = SerializedFileReader::new(file).map_err(damaged)?;
        let schema = reader.metadata().file_metadata().schema();
        let names: Vec<&str> = schema
            .get_fields()
            .iter()
            .map(|field| field.name())
            .collect();
        let columns = Columns::choose(manifest, &names)
            .and_then(|columns| check_types(schema, &columns).map(|()| columns))
            .map_err(|error| CollectError::Manifest {
                manifest: path.clone(),
                problem: error.to_string(),
            })?;
        let is_read = |name: &str| name == columns.path || columns.id.as_deref() == Some(name);
        let fields = schema
            .get_fields()
            .iter()
            .filter(|field| is_read(field.name()));
        let projection = Type::group_type_builder(schema.name())
            .with_fields(fields.map(Arc::clone).collect())
            .build()
            .map_err(damaged)?;
        let records = RowIter::from_file_into(Box::new(reader));
        let records = records.project(Some(projection)).map_err(damaged)?;
        Ok(Self {
            manifest: manifest.clone(),
            columns,
            records: Some(records),
            rows: 0,
        })
    }

    fn row(&self, record: &Record) -> Result<Row, CollectError> {
        let value = |column: &str| {
            let field = record.get_column_iter().find(|(name, _)| *name == column);
            let field = field.map_or(&Field::Null, |(_, field)| field);
            let null = || CollectError::value(format!("a value in the column `{column}`"), "null");
            text(field).ok_or_else(null)
        };
        let path = value(&self.columns.path)?;
        let id = self.columns.id.as_deref().map(value).transpose()?;
        let not_utf8 = || {
            let column = self.columns.id.as_deref().unwrap_or(&self.columns.path);
            CollectError::value(format!("UTF-8 in the column `{column}`"), "other bytes")
        };
        Ok(Row {
            number: self.rows,
            path: path_text::from_bytes(path).ok_or_else(not_utf8)?,
            id: id
                .map(String::from_utf8)
                .transpose()
                .map_err(|_| not_utf8())?,
        })
    }
}

impl Rows for Parquet {
    fn next(&mut self) -> Option<Result<Row, CollectError>> {
        let records = self.records.as_mut()?;
        let record = contain(|| records.next().transpose()).transpose()?;
        self.rows += 1;
        match record {
            Ok(record) => {
                let row = self.row(&record);
                Some(row.map_err(|error| at(&self.manifest.path, self.unit(), self.rows, error)))
            }
            Err(error) => {
                self.records = None;
                Some(Err(damaged(&self.manifest, &error)))
            }
        }
    }

    fn unit(&self) -> &'static str {
        "row"
    }
}

/// Paths must be text, and ids text or integers.
fn check_types(schema: &Type, columns: &Columns) -> Result<(), CollectError> {
    use PhysicalType::{BYTE_ARRAY, INT32, INT64};
    check_type(schema, &columns.path, "text", &[BYTE_ARRAY])?;
    match &columns.id {
        Some(id) => check_type(schema, id, "text or integers", &[BYTE_ARRAY, INT32, INT64]),
        None => Ok(()),
    }
}

fn check_type(
    schema: &Type,
    column: &str,
    expected: &str,
    accepted: &[PhysicalType],
) -> Result<(), CollectError> {
    let field = schema
        .get_fields()
        .iter()
        .find(|field| field.name() == column);
    let field = field.expect("a chosen column");
    let found = if field.is_group() {
        "a group of columns; images inside of a manifest are not read".to_owned()
    } else if accepted.contains(&field.get_physical_type()) {
        return Ok(());
    } else {
        field.get_physical_type().to_string()
    };
    Err(CollectError::value(
        format!("{expected} in the column `{column}`"),
        found,
    ))
}

/// The bytes of a text, or the digits of an integer. `None` for null.
fn text(field: &Field) -> Option<Vec<u8>> {
    let number = |number: &dyn ToString| Some(number.to_string().into_bytes());
    match field {
        Field::Str(text) => Some(text.clone().into_bytes()),
        Field::Bytes(bytes) => Some(bytes.data().to_vec()),
        Field::Byte(value) => number(value),
        Field::Short(value) => number(value),
        Field::Int(value) => number(value),
        Field::Long(value) => number(value),
        Field::UByte(value) => number(value),
        Field::UShort(value) => number(value),
        Field::UInt(value) => number(value),
        Field::ULong(value) => number(value),
        _ => None,
    }
}

/// Turns a panic into an error: parquet 60 panics at some damaged files.
fn contain<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    // After a panic the reader is not used again.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(ParquetError::General(
            text.unwrap_or("the reader failed").to_owned(),
        ))
    })
}

fn damaged(manifest: &Manifest, error: &ParquetError) -> CollectError {
    CollectError::Manifest {
        manifest: manifest.path.clone(),
        problem: error.to_string(),
    }
}
