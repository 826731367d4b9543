//! The columns of a Parquet file.

use std::sync::Arc;

use ::parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::schema::types::TypePtr;
use arrow_schema::{DataType, Field, Fields, Schema};

use super::super::Layout;
use crate::{OutputDtype, Pool};

/// The entry of the metadata with the manifest.
pub(super) const MANIFEST: &str = "glm4v";
/// The place of the column `embeddings` among all columns.
pub(super) const EMBEDDINGS: usize = 5;

/// The columns as Arrow types, which keep the lengths of lists that Parquet has no types for.
pub(super) fn arrow(layout: &Layout) -> Schema {
    let value = match layout.dtype {
        OutputDtype::F32 => DataType::Float32,
        // `Settings::check` refuses bf16.
        OutputDtype::F16 | OutputDtype::Bf16 => DataType::Float16,
    };
    let token = fixed(value, layout.width as i32);
    let embeddings = match layout.pool {
        Pool::None => list(token),
        Pool::Mean => token,
    };
    let columns = [
        Field::new("id", DataType::Utf8, false),
        Field::new("path", DataType::Utf8, false),
        Field::new("path_bytes", DataType::Binary, true),
        Field::new("grid_thw", fixed(DataType::Int32, 3), true),
        Field::new("num_tokens", DataType::Int32, true),
        Field::new("embeddings", embeddings, true),
        Field::new("frame_indices", list(DataType::Int64), true),
        Field::new("timestamps", list(DataType::Float64), true),
        Field::new("source_fps", DataType::Float64, true),
        Field::new("source_seconds", DataType::Float64, true),
        Field::new("source_frames", DataType::Int64, true),
        Field::new("sha256", DataType::Utf8, true),
        Field::new("error", DataType::Utf8, true),
    ];
    // Readers such as pyarrow show the metadata of these types, not of the file.
    let metadata = [(MANIFEST.to_owned(), layout.manifest.clone())];
    Schema::new_with_metadata(Fields::from_iter(columns), metadata)
}

pub(super) fn parquet(schema: &Schema) -> Result<TypePtr, ParquetError> {
    Ok(ArrowSchemaConverter::new()
        .convert(schema)?
        .root_schema_ptr())
}

/// The entry of the file's metadata from which readers learn the Arrow types.
pub(super) fn metadata(schema: &Schema) -> KeyValue {
    KeyValue::new(ARROW_SCHEMA_META_KEY.into(), encode_arrow_schema(schema))
}

fn element(values: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", values, false))
}

fn list(values: DataType) -> DataType {
    DataType::List(element(values))
}

fn fixed(values: DataType, length: i32) -> DataType {
    DataType::FixedSizeList(element(values), length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ShardFormat;

    #[test]
    fn embeddings_are_where_the_constant_says() {
        let schema = arrow(&Layout {
            format: ShardFormat::Parquet,
            dtype: OutputDtype::F32,
            pool: Pool::None,
            width: 2,
            manifest: String::new(),
        });
        let columns = ArrowSchemaConverter::new().convert(&schema).unwrap();
        let embeddings = columns.column(EMBEDDINGS);
        assert_eq!(embeddings.path().parts()[0], "embeddings");
        // `page` relies on these levels.
        assert_eq!(
            (embeddings.max_def_level(), embeddings.max_rep_level()),
            (3, 2)
        );
    }
}
