//! Manifests in JSON Lines and CSV.

mod support;

use glm4v_collect::{Entry, Failures, FetchLimits, Input, ListOptions, Location, Manifest};
use support::{FLAT, Folder, Found};

fn ids_and_paths(found: &Found, folder: &Folder) -> Vec<(String, String)> {
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    let text = |entry: &Entry| match &entry.location {
        Location::Path(path) => folder.shorten(&path.display().to_string()),
        Location::Url(text) | Location::Data(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    found
        .entries
        .iter()
        .map(|entry| (entry.id.clone(), text(entry)))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(id, path)| ((*id).to_owned(), (*path).to_owned()))
        .collect()
}

#[test]
fn json_lines() {
    let folder = Folder::new();
    let text = "\u{feff}{\"id\": \"one\", \"path\": \"img/a.jpg\", \"label\": [1, 2]}\r\n\n\
        {\"path\": \"https://images.example/b?c\", \"id\": 17}\n\
        {\"path\": \"/abs/c.jpg\", \"id\": \"\\u0000\"}\n\
        {\"path\": \"data:,x\", \"id\": \"\"}";
    let path = folder.add("data/list.jsonl", text.as_bytes());
    assert_eq!(
        ids_and_paths(&Found::manifest(path), &folder),
        pairs(&[
            ("one", "data/img/a.jpg"),
            ("17", "https://images.example/b?c"),
            ("\0", "/abs/c.jpg"),
            ("", "data:,x"),
        ])
    );
}

#[test]
fn without_a_column_of_ids_the_path_is_the_id() {
    let folder = Folder::new();
    let path = folder.add(
        "a.jsonl",
        b"{\"file_name\": \"x/a.jpg\"}\n{\"file_name\": \"http://a.example/b\"}",
    );
    assert_eq!(
        ids_and_paths(&Found::manifest(path), &folder),
        pairs(&[
            ("x/a.jpg", "x/a.jpg"),
            ("http://a.example/b", "http://a.example/b")
        ])
    );
}

#[test]
fn csv_with_quotes_and_other_delimiters() {
    let folder = Folder::new();
    let text =
        "\u{feff}key,label,file\r\n1,\"a, b\",\"x \"\"y\"\".jpg\"\r\n2,\"two\nlines\",b.jpg\r\n";
    let path = folder.add("list.csv", text.as_bytes());
    assert_eq!(
        ids_and_paths(&Found::manifest(path), &folder),
        pairs(&[("1", "x \"y\".jpg"), ("2", "b.jpg")])
    );
    let path = folder.add("list.tsv", b"url\tuuid\nhttp://a.example/b\t7\n");
    assert_eq!(
        ids_and_paths(&Found::manifest(path), &folder),
        pairs(&[("7", "http://a.example/b")])
    );
}

#[test]
fn columns_can_be_named() {
    let folder = Folder::new();
    let path = folder.add("list.csv", b"id,path,sku,photo\n1,a.jpg,s1,b.jpg\n");
    let manifest = Manifest {
        path_column: Some("photo".into()),
        id_column: Some("sku".into()),
        ..Manifest::new(path).unwrap()
    };
    let found = Found::of([Input::Manifest(manifest)], FLAT);
    assert_eq!(ids_and_paths(&found, &folder), pairs(&[("s1", "b.jpg")]));
}

#[test]
fn errors_name_the_manifest_and_the_line() {
    let folder = Folder::new();
    let message = |name: &str, text: &str| {
        let path = folder.add(name, text.as_bytes());
        folder.shorten(&Found::manifest(path).error())
    };
    assert_eq!(
        message("a.jsonl", "{\"b\": 1, \"a\": 2}"),
        "a.jsonl, line 1: expected a column named path, file, file_name, image, url, found `a`, `b`"
    );
    let text = message("a.jsonl", "\n[1]");
    assert!(
        text.starts_with("a.jsonl, line 2: expected a JSON object, found another text: "),
        "{text}"
    );
    for (row, problem) in [
        (
            "{\"path\": 5}",
            "expected text in the column `path`, found a number",
        ),
        (
            "{\"path\": {\"bytes\": 1}}",
            "expected text in the column `path`, found an object",
        ),
        (
            "{\"path\": null}",
            "expected text in the column `path`, found null",
        ),
        (
            "{\"path\": \"\"}",
            "expected a path or a URL, found an empty text",
        ),
        (
            "{\"path\": \"s3://a/b\"}",
            "s3://a/b: expected a URL that starts with http:// or https://, found s3:",
        ),
        (
            "{\"id\": 1.5, \"path\": \"a\"}",
            "expected text or an integer in the column `id`, found a number",
        ),
        (
            "{\"id\": null, \"path\": \"a\"}",
            "expected text or an integer in the column `id`, found null",
        ),
        (
            "{\"id\": [], \"path\": \"a\"}",
            "expected text or an integer in the column `id`, found an array",
        ),
        (
            "{\"id\": true, \"path\": \"a\"}",
            "expected text or an integer in the column `id`, found true or false",
        ),
    ] {
        assert_eq!(
            message("a.jsonl", row),
            format!("a.jsonl, line 1: {problem}")
        );
    }
    // The columns of the first line count.
    let path = folder.add(
        "a.jsonl",
        b"{\"id\": 1, \"path\": \"a\"}\n{\"path\": \"b\"}\n{\"id\": 3, \"path\": \"c\"}",
    );
    let found = Found::manifest(path);
    assert_eq!(found.entries.len(), 2);
    assert_eq!(
        folder.shorten(&found.error()),
        "a.jsonl, line 2: expected text or an integer in the column `id`, found no such column"
    );

    assert_eq!(
        message("a.csv", "x,y\n1,2\n"),
        "a.csv, line 1: expected a column named path, file, file_name, image, url, found `x`, `y`"
    );
    assert_eq!(
        message("a.csv", ""),
        "a.csv, line 1: expected a column named path, file, file_name, image, url, found no columns"
    );
    assert_eq!(
        message("a.csv", "path,id\na,1\nb\n"),
        "a.csv, line 3: expected 2 columns, found 1"
    );
    assert_eq!(
        message("a.csv", "path,id\n,1\n"),
        "a.csv, line 2: expected a path or a URL, found an empty text"
    );
    let path = folder.add("a.csv", b"path,id\na,\xff\nb,2\n");
    let found = Found::manifest(path);
    assert_eq!(found.entries.len(), 1);
    assert_eq!(
        folder.shorten(&found.error()),
        "a.csv, line 2: expected UTF-8 in the column `id`, found other bytes"
    );
    for name in ["no.csv", "no.jsonl", "no.parquet"] {
        let message = folder.shorten(&Found::manifest(folder.path(name)).error());
        if cfg!(feature = "parquet") || name != "no.parquet" {
            assert!(
                message.starts_with(&format!("{name}: cannot be read: ")),
                "{message}"
            );
        } else {
            assert_eq!(
                message,
                "no.parquet: Parquet manifests need a build with the cargo feature `parquet` of glm4v-collect"
            );
        }
    }
}

#[test]
fn rows_that_fail_become_entries_and_a_manifest_that_fails_is_an_error() {
    let folder = Folder::new();
    let options = ListOptions {
        failures: Failures::Entries,
        ..FLAT
    };
    let found = |name: &str, text: &str| {
        let path = folder.add(name, text.as_bytes());
        Found::of([Input::Manifest(Manifest::new(path).unwrap())], options)
    };
    let rows = found("a.csv", "path,id\na,1\nb\n,2\ns3://b/c,3\n");
    assert!(rows.errors.is_empty(), "{:?}", rows.errors);
    let ids: Vec<_> = rows
        .entries
        .iter()
        .map(|entry| folder.shorten(&entry.id))
        .collect();
    assert_eq!(ids, ["1", "a.csv, line 3", "2", "3"]);
    let error = rows.entries[1].read(&FetchLimits::default()).unwrap_err();
    assert_eq!(
        folder.shorten(&error.to_string()),
        "a.csv, line 3: expected 2 columns, found 1"
    );
    for (name, text) in [("b.csv", "x,y\n1,2\n"), ("b.jsonl", "{\"x\": 1}")] {
        let found = found(name, text);
        assert_eq!((found.entries.len(), found.errors.len()), (0, 1), "{name}");
    }
}

#[cfg(not(feature = "http"))]
#[test]
fn urls_need_the_feature_http() {
    use glm4v_collect::{CollectError, FetchLimits};
    let found = Found::of([Input::named("http://a.example/b?secret")], FLAT);
    let error: CollectError = found.entries[0].read(&FetchLimits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "http://a.example/b?…: URLs need a build with the cargo feature `http` of glm4v-collect"
    );
}
