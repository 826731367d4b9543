//! Manifests in Parquet, written by pyarrow (`tests/parquet/make.py`).
#![cfg(feature = "parquet")]

mod support;

use std::path::PathBuf;

use glm4v_collect::{Entry, Input, Location, Manifest};
use support::{FLAT, Folder, Found};

fn file(name: &str) -> PathBuf {
    std::path::absolute("tests/parquet").unwrap().join(name)
}

fn manifest(name: &str, path: Option<&str>, id: Option<&str>) -> Found {
    let manifest = Manifest {
        path_column: path.map(str::to_owned),
        id_column: id.map(str::to_owned),
        ..Manifest::new(file(name)).unwrap()
    };
    Found::of([Input::Manifest(manifest)], FLAT)
}

fn locations(found: &Found) -> Vec<String> {
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    let text = |entry: &Entry| match &entry.location {
        Location::Path(path) => path.strip_prefix(file("")).unwrap().display().to_string(),
        Location::Url(url) => url.clone(),
        other => panic!("{other:?}"),
    };
    found.entries.iter().map(text).collect()
}

const PATHS: [&str; 5] = [
    "img/a.jpg",
    "https://images.example/b?c",
    "img/é.png",
    "img/a.jpg",
    "d.gif",
];

#[test]
fn texts_and_integers_of_every_kind() {
    let found = manifest("snappy.parquet", None, None);
    assert_eq!(found.ids(), ["10", "20", "-30", "40", "1099511627776"]);
    assert_eq!(locations(&found), PATHS);

    let found = manifest("zstd.parquet", None, None);
    assert_eq!(found.ids(), ["a", "b", "c", "d", "e"]);
    assert_eq!(locations(&found), PATHS);

    let found = manifest("lz4.parquet", None, None);
    assert_eq!(found.ids(), ["1", "2"]);
    assert_eq!(locations(&found), PATHS[..2]);

    let found = manifest("plain.parquet", None, None);
    assert_eq!(found.ids(), PATHS);
    let found = manifest("zstd.parquet", Some("path"), Some("path"));
    assert_eq!(found.ids(), PATHS);
}

#[cfg(unix)]
#[test]
fn binary_paths_need_not_be_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let found = manifest("gzip.parquet", None, None);
    assert_eq!(found.ids(), ["18446744073709551615"]);
    let path = file("").join(OsStr::from_bytes(b"caf\xe9.gif"));
    assert_eq!(found.entries[0].location, Location::Path(path));
}

#[test]
fn errors_name_the_manifest() {
    let message = |name: &str, path, id| {
        let folder = format!("{}/", file("").parent().unwrap().join("parquet").display());
        manifest(name, path, id).error().replace(&folder, "")
    };
    assert_eq!(
        message("snappy.parquet", Some("photo"), None),
        "snappy.parquet: the manifest cannot be read: expected a column `photo`, found `label`, `file_name`, `id`, `image`"
    );
    assert_eq!(
        message("snappy.parquet", Some("image"), None),
        "snappy.parquet: the manifest cannot be read: expected text in the column `image`, found a group of columns; \
         images inside of a manifest are not read"
    );
    assert_eq!(
        message("types.parquet", None, None),
        "types.parquet: the manifest cannot be read: expected text in the column `path`, found DOUBLE"
    );
    assert_eq!(
        message("snappy.parquet", None, Some("label")),
        "snappy.parquet: the manifest cannot be read: expected text or integers in the column `label`, \
         found a group of columns; images inside of a manifest are not read"
    );
    let text = message("brotli.parquet", None, None);
    assert!(
        text.starts_with("brotli.parquet: the manifest cannot be read: "),
        "{text}"
    );
    assert!(text.to_lowercase().contains("brotli"), "{text}");

    let found = manifest("nulls.parquet", None, None);
    assert_eq!(found.entries.len(), 1);
    let messages: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    for (message, end) in messages.iter().zip([
        "nulls.parquet, row 2: expected a value in the column `path`, found null",
        "nulls.parquet, row 3: expected a value in the column `id`, found null",
    ]) {
        assert!(message.ends_with(end), "{message}");
    }
    assert_eq!(messages.len(), 2);
}

#[test]
fn damaged_files_are_errors() {
    let folder = Folder::new();
    let whole = std::fs::read(file("snappy.parquet")).unwrap();
    for end in (0..whole.len()).step_by(7) {
        let path = folder.add("cut.parquet", &whole[..end]);
        let message = Found::manifest(path).error();
        assert!(
            message.contains("cut.parquet: the manifest cannot be read: "),
            "{message}"
        );
    }
    // A changed byte gives other values or errors, but the program goes on.
    for index in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[index] ^= 0x55;
        let path = folder.add("changed.parquet", &bytes);
        let found = Found::manifest(path);
        assert!(
            found.entries.len() <= 5 && found.errors.len() <= 5,
            "{index}"
        );
    }
}
