//! What a job writes.

use std::fs;
use std::path::Path;

use crate::common::{files, job, lines, output, photos};
use crate::support::glm4v;

#[test]
fn a_damaged_input_is_recorded_and_the_others_are_encoded() {
    let (photos, dir) = (photos(20), tempfile::tempdir().unwrap());
    let out = output(&dir, "out");
    let mut args = job(&photos, &out);
    args.push("--json");
    let found = glm4v(&args);
    assert_eq!(found.code, Some(3), "{found:#?}");
    let lines = lines(&found.stdout);
    assert_eq!(lines.len(), 22);
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line.get("error").is_some())
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["id"], "015x.png");
    let total = &lines[21]["total"];
    assert_eq!(
        [&total["inputs"], &total["encoded"], &total["failed"]],
        [21, 20, 1]
    );
    assert!(total["shards"].as_u64().unwrap() > 2, "{total}");
    assert!(
        found.stderr.contains("left alone: 1 not images or videos"),
        "{}",
        found.stderr
    );

    // The same command finds the job complete.
    let again = glm4v(&args);
    assert_eq!(again.code, Some(3), "{again:#?}");
    assert!(again.stderr.contains("the job is complete"), "{again:#?}");
    // Another command is not the same job.
    args.extend(["--pool", "mean"]);
    let error = glm4v(&args);
    assert_eq!(error.code, Some(1));
    assert!(
        error
            .stderr
            .contains("pool was \"none\", and is now \"mean\""),
        "{}",
        error.stderr
    );
}

#[test]
fn embeddings_are_those_of_each_input_alone() {
    let (photos, dir) = (photos(7), tempfile::tempdir().unwrap());
    fs::remove_file(photos.path().join("015x.png")).unwrap();
    let out = output(&dir, "out");
    let mut args = job(&photos, &out);
    args.truncate(4); // batches of several inputs
    args.extend(["--format", "safetensors"]);
    glm4v(&args).ok();
    let shards = files(Path::new(&out));
    let shard = safetensors::SafeTensors::deserialize(&shards["shard-000000.safetensors"]).unwrap();
    let index = String::from_utf8(shards["shard-000000.jsonl"].clone()).unwrap();
    let index = lines(&index);
    assert_eq!(index.len(), 7);
    for line in index {
        let path = photos.path().join(line["id"].as_str().unwrap());
        let alone = dir.path().join("alone.safetensors");
        let args = [Path::new("encode"), &path, Path::new("-o"), &alone];
        glm4v(args).ok();
        let alone = fs::read(&alone).unwrap();
        let alone = safetensors::SafeTensors::deserialize(&alone).unwrap();
        let name = line["tensor"].as_str().unwrap();
        let (found, expected) = (
            shard.tensor(name).unwrap(),
            alone.tensor("embeddings").unwrap(),
        );
        assert_eq!(found.shape(), expected.shape());
        assert_eq!(found.data(), expected.data(), "{name}");
    }
}

#[test]
fn shares_are_the_whole_together() {
    let (photos, dir) = (photos(10), tempfile::tempdir().unwrap());
    let mut ids = Vec::new();
    for share in ["0/3", "1/3", "2/3"] {
        let out = output(&dir, &share.replace('/', "-"));
        let mut args = job(&photos, &out);
        args.extend(["--shard", share, "--json"]);
        let found = glm4v(&args);
        let items = lines(&found.stdout);
        ids.extend(
            items
                .iter()
                .filter_map(|item| item["id"].as_str().map(str::to_owned)),
        );
    }
    ids.sort();
    assert_eq!(ids.len(), 11);
    ids.dedup();
    assert_eq!(ids.len(), 11);
}

#[test]
fn a_repeated_image_comes_from_the_cache() {
    let (photos, dir) = (photos(6), tempfile::tempdir().unwrap());
    let cache = output(&dir, "cache");
    let encode = |name: &str| {
        let out = output(&dir, name);
        let mut args = job(&photos, &out);
        args.truncate(4);
        args.extend(["--cache", &cache, "-v", "--format", "safetensors"]);
        let found = glm4v(&args);
        assert_eq!(found.code, Some(3), "{found:#?}");
        (found.stderr, files(Path::new(&out)))
    };
    let (first, shards) = encode("first");
    assert!(first.contains("0 inputs came from the cache"), "{first}");
    let (second, again) = encode("second");
    assert!(second.contains("6 inputs came from the cache"), "{second}");
    assert_eq!(
        again["shard-000000.safetensors"],
        shards["shard-000000.safetensors"]
    );
}
