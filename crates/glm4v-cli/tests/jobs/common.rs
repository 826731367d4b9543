//! Folders to encode, and the files of a job.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ::image::{DynamicImage, Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::Run;

/// A folder with images of several sizes, one damaged image, and a text file.
pub(crate) fn photos(count: u32) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for index in 0..count {
        let (width, height) = (56 + 14 * (index % 5), 56 + 28 * (index % 3));
        let pixel = |x, y| Rgb([(x + index) as u8, (y * 3) as u8, (x * y + index) as u8]);
        let image = DynamicImage::from(RgbImage::from_fn(width, height, pixel));
        let name = format!("{index:03}.{}", ["png", "jpg", "webp"][index as usize % 3]);
        image.save(dir.path().join(name)).unwrap();
    }
    fs::write(
        dir.path().join("015x.png"),
        &b"\x89PNG\r\n\x1a\n damaged"[..],
    )
    .unwrap();
    fs::write(dir.path().join("notes.txt"), "no image").unwrap();
    dir
}

/// The files of a directory, by name.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

/// Checks that two directories of jobs have the same files.
pub(crate) fn assert_same(found: &str, expected: &BTreeMap<String, Vec<u8>>, what: &str) {
    let found = files(Path::new(found));
    assert!(
        found.keys().eq(expected.keys()),
        "{what}: {:?}",
        found.keys()
    );
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{what}: {name} differs");
    }
}

/// The arguments of a job with small shards, which take several batches.
pub(crate) fn job<'a>(photos: &'a TempDir, output: &'a str) -> Vec<&'a str> {
    let photos = photos.path().to_str().unwrap();
    vec![
        "encode",
        photos,
        "-o",
        output,
        "--shard-size",
        "100K",
        "--max-memory",
        "2G",
    ]
}

pub(crate) fn output(dir: &TempDir, name: &str) -> String {
    dir.path().join(name).to_str().unwrap().to_owned() + "/"
}

pub(crate) fn lines(json: &str) -> Vec<Value> {
    json.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The items of `--json` that failed: their ids and errors.
pub(crate) fn failures(found: &Run) -> Vec<(String, String)> {
    let items = lines(&found.stdout).into_iter();
    items
        .filter_map(|item| Some((item["id"].as_str()?.into(), item["error"].as_str()?.into())))
        .collect()
}

/// How often a job is interrupted; the environment variable sets another number.
pub(crate) fn repetitions(variable: &str, default: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |given| given.parse().expect(variable))
}
