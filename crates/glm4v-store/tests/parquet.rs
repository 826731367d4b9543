//! Parquet shards, read by the crate `parquet`.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use glm4v_store::{
    Encoded, GridThw, Job, OutputDtype, ParquetFile, ParquetOptions, Pool, Record, ShardFormat,
    StoreError,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};

mod support;

const WIDTH: usize = 5;

fn read(path: &Path) -> Vec<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    builder.build().unwrap().map(Result::unwrap).collect()
}

/// What the file says of itself.
fn metadata(path: &Path) -> String {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let entries = reader.metadata().file_metadata().key_value_metadata();
    let ours = entries
        .unwrap()
        .iter()
        .find(|entry| entry.key == "glm4v")
        .unwrap();
    ours.value.clone().unwrap()
}

/// The whole first shard of a job of 20 inputs.
fn batch(dtype: OutputDtype, pool: Pool) -> RecordBatch {
    let dir = tempfile::tempdir().unwrap();
    let settings = support::settings(ShardFormat::Parquet, dtype, pool, WIDTH);
    support::run(dir.path(), &settings, 20);
    let batches = read(&dir.path().join("shard-000000.parquet"));
    arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn same(found: &[f32], expected: &[f32]) -> bool {
    let bits = |values: &[f32]| {
        values
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };
    bits(found) == bits(expected)
}

#[test]
fn every_column_has_the_values_of_its_record() {
    let batch = batch(OutputDtype::F32, Pool::None);
    assert_eq!(batch.num_rows(), 20);
    let column = |name| batch.column_by_name(name).unwrap();
    for row in 0..20 {
        let stored = support::stored(row, WIDTH);
        let failed = stored.error.is_some();
        let video = stored.is_video && !failed;
        assert_eq!(column("id").as_string::<i32>().value(row), stored.id);
        assert_eq!(
            column("path").as_string::<i32>().value(row),
            stored.path.to_string_lossy()
        );
        let exact = column("path_bytes").as_binary::<i32>();
        match stored.path.to_str() {
            Some(_) => assert!(exact.is_null(row)),
            None => assert_eq!(exact.value(row), stored.path.as_os_str().as_encoded_bytes()),
        }
        let errors = column("error").as_string::<i32>();
        assert_eq!(
            errors.is_valid(row).then(|| errors.value(row)),
            stored.error
        );
        for name in ["grid_thw", "num_tokens", "embeddings"] {
            assert_eq!(column(name).is_null(row), failed, "{name}");
        }
        for name in [
            "frame_indices",
            "timestamps",
            "source_fps",
            "source_seconds",
            "source_frames",
        ] {
            assert_eq!(column(name).is_valid(row), video, "{name}");
        }
        assert_eq!(column("sha256").is_valid(row), stored.is_video);
        if stored.is_video {
            assert_eq!(
                column("sha256").as_string::<i32>().value(row),
                "ab".repeat(32)
            );
        }
        if video {
            let indices = column("frame_indices").as_list::<i32>().value(row);
            assert_eq!(
                indices.as_primitive::<Int64Type>().values()[..],
                [0, 5, 10, 15]
            );
            let times = column("timestamps").as_list::<i32>().value(row);
            assert_eq!(
                times.as_primitive::<Float64Type>().values()[..],
                support::TIMESTAMPS
            );
            assert_eq!(
                column("source_fps")
                    .as_primitive::<Float64Type>()
                    .value(row),
                25.0
            );
            assert_eq!(
                column("source_frames")
                    .as_primitive::<Int64Type>()
                    .value(row),
                16
            );
        }
        if !failed {
            let grid = column("grid_thw").as_fixed_size_list().value(row);
            let expected = <[usize; 3]>::from(stored.grid).map(|side| side as i32);
            assert_eq!(grid.as_primitive::<Int32Type>().values()[..], expected);
            let tokens = column("embeddings").as_list::<i32>().value(row);
            let tokens = tokens.as_fixed_size_list();
            assert_eq!(tokens.value_length(), WIDTH as i32);
            let values = tokens.values().as_primitive::<Float32Type>().values();
            assert!(same(values, &stored.tokens), "row {row}");
            let count = column("num_tokens").as_primitive::<Int32Type>().value(row);
            assert_eq!(count as usize * WIDTH, stored.tokens.len());
        }
    }
}

#[test]
fn f16_has_a_type_of_its_own() {
    let batch = batch(OutputDtype::F16, Pool::None);
    let embeddings = batch.column_by_name("embeddings").unwrap().as_list::<i32>();
    // All values are multiples of 1/8, which f16 has, apart from those that are not finite.
    let tokens = embeddings.value(2);
    let values = tokens
        .as_fixed_size_list()
        .values()
        .as_primitive::<Float16Type>();
    let values: Vec<f32> = values.values().iter().map(|value| value.to_f32()).collect();
    let expected = support::stored(2, WIDTH).tokens;
    assert!(values[0].is_nan() && expected[0].is_nan());
    assert_eq!(values[1..], expected[1..]);
}

#[test]
fn a_pooled_row_is_one_list() {
    let batch = batch(OutputDtype::F32, Pool::Mean);
    let embeddings = batch
        .column_by_name("embeddings")
        .unwrap()
        .as_fixed_size_list();
    let tokens = support::stored(1, WIDTH).tokens;
    let mean: Vec<f32> = (0..WIDTH)
        .map(|place| (tokens[place] + tokens[place + WIDTH]) / 2.0)
        .collect();
    assert_eq!(
        embeddings.value(1).as_primitive::<Float32Type>().values()[..],
        mean
    );
    assert!(embeddings.is_null(3));
    let count = batch
        .column_by_name("num_tokens")
        .unwrap()
        .as_primitive::<Int32Type>();
    assert_eq!(count.value(1), 2, "tokens before pooling");
}

#[test]
fn the_metadata_has_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let settings = support::settings(ShardFormat::Parquet, OutputDtype::F32, Pool::None, WIDTH);
    support::run(dir.path(), &settings, 3);
    let shard = dir.path().join("shard-000000.parquet");
    let reader = SerializedFileReader::new(File::open(&shard).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata();
    assert_eq!(metadata.created_by(), Some("glm4v-store version 0.1.0"));
    let ours: serde_json::Value = serde_json::from_str(&self::metadata(&shard)).unwrap();
    let manifest = std::fs::read(dir.path().join("manifest.json")).unwrap();
    assert_eq!(
        ours,
        serde_json::from_slice::<serde_json::Value>(&manifest).unwrap()
    );
    assert_eq!(ours["model"], "tiny \"quoted\"");
}

/// Width 4096, as the published models have: rows of 5 MiB, one of 20 MiB, and many small ones.
#[test]
fn row_groups_are_small() {
    const WIDTH: usize = 4096;
    const MIB_TOKENS: usize = (1 << 20) / (4 * WIDTH);
    let sizes = [5, 5, 5, 5, 20, 5, 5, 16, 1];
    let dir = tempfile::tempdir().unwrap();
    let settings = support::settings(ShardFormat::Parquet, OutputDtype::F32, Pool::None, WIDTH);
    let mut job = Job::open(dir.path(), &settings, sizes.iter().map(Ok)).unwrap();
    let values = vec![0.25; 20 * MIB_TOKENS * WIDTH];
    for size in sizes {
        let tokens = &values[..size * MIB_TOKENS * WIDTH];
        let grid = GridThw::new(1, 2, 2 * size * MIB_TOKENS);
        let outcome = Ok(Encoded {
            grid,
            tokens,
            video: None,
        });
        let path = Path::new("a.png");
        job.push(&Record {
            id: "a",
            path,
            sha256: None,
            outcome,
        })
        .unwrap();
    }
    job.finish().unwrap();

    let path = dir.path().join("shard-000000.parquet");
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let groups = reader.metadata().row_groups();
    let rows: Vec<i64> = groups.iter().map(|group| group.num_rows()).collect();
    assert_eq!(rows, [3, 1, 1, 2, 1, 1]);
    for group in groups {
        let bytes = group.column(5).compressed_size();
        assert!(group.num_rows() == 1 || bytes <= 17 << 20, "{bytes}");
    }
    let found: usize = read(&path)
        .iter()
        .map(|batch| {
            batch
                .column_by_name("embeddings")
                .unwrap()
                .as_list::<i32>()
                .values()
                .len()
        })
        .sum();
    assert_eq!(found, sizes.iter().sum::<usize>() * MIB_TOKENS);
}

fn options(dtype: OutputDtype, pool: Pool) -> ParquetOptions {
    ParquetOptions {
        width: WIDTH,
        output_dtype: dtype,
        pool,
        metadata: [("model".to_owned(), "tiny".into())].into_iter().collect(),
    }
}

#[test]
fn a_file_has_the_rows_of_a_job() {
    for (dtype, pool) in [
        (OutputDtype::F32, Pool::None),
        (OutputDtype::F16, Pool::Mean),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.parquet");
        let mut file = ParquetFile::create(&path, &options(dtype, pool)).unwrap();
        for row in 0..20 {
            file.push(&support::stored(row, WIDTH).record()).unwrap();
        }
        assert!(!path.exists(), "it is not complete");
        assert_eq!(file.finish().unwrap(), 20);
        let batches = read(&path);
        let found = arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap();
        let expected = batch(dtype, pool);
        assert_eq!(found.columns(), expected.columns());
        let metadata = metadata(&path);
        for part in [
            r#""model":"tiny""#,
            r#""width":5"#,
            pool.name(),
            dtype.name(),
        ] {
            assert!(metadata.contains(part), "{metadata}");
        }
    }
}

#[test]
fn a_file_that_is_not_finished_disappears() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.parquet");
    let mut file = ParquetFile::create(&path, &options(OutputDtype::F32, Pool::None)).unwrap();
    let mut record = support::stored(0, WIDTH);
    file.push(&record.record()).unwrap();
    record.tokens.pop();
    let error = file.push(&record.record()).unwrap_err();
    assert!(matches!(error, StoreError::Record { .. }), "{error}");
    drop(file);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let error = ParquetFile::create(&path, &options(OutputDtype::Bf16, Pool::None)).unwrap_err();
    assert!(error.to_string().contains("no type bf16"), "{error}");
}
