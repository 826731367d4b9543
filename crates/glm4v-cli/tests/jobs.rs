//! Jobs: `glm4v encode … -o DIR/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use image::{DynamicImage, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

mod support;

use support::{glm4v, program, run};

/// A folder with images of several sizes, one of them damaged, and a file that is none.
fn photos(count: u32) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for index in 0..count {
        let (width, height) = (56 + 14 * (index % 5), 56 + 28 * (index % 3));
        let pixel = |x, y| image::Rgb([(x + index) as u8, (y * 3) as u8, (x * y + index) as u8]);
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
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

/// The arguments of a job with small shards, which take several batches.
fn job<'a>(photos: &'a TempDir, output: &'a str) -> Vec<&'a str> {
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

fn output(dir: &TempDir, name: &str) -> String {
    dir.path().join(name).to_str().unwrap().to_owned() + "/"
}

fn lines(json: &str) -> Vec<Value> {
    json.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

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
fn a_job_that_is_refused_leaves_its_directory_free() {
    let (photos, dir) = (photos(3), tempfile::tempdir().unwrap());
    let (out, path) = (output(&dir, "out"), photos.path().to_str().unwrap());
    for options in [["--max-memory", "10M"], ["--shard", "99/100"]] {
        let command = ["encode", path, "-o", &out, "-q"];
        glm4v([&command, &options[..]].concat()).fails();
    }
    let found = glm4v(["encode", path, "-o", &out]);
    assert_eq!(found.code, Some(3), "{found:#?}");
    assert!(found.stderr.contains("skipped: "), "{}", found.stderr);
}

#[test]
fn the_first_failure_stops_a_job_if_it_shall() {
    let (photos, dir) = (photos(20), tempfile::tempdir().unwrap());
    let out = output(&dir, "out");
    let mut args = job(&photos, &out);
    args.extend(["--on-error", "stop", "-q"]);
    let error = glm4v(&args).fails();
    assert!(
        error.contains("the same command goes on where it stopped"),
        "{error}"
    );
    assert!(error.contains("015x.png"), "{error}");
    fs::copy(
        photos.path().join("000.png"),
        photos.path().join("015x.png"),
    )
    .unwrap();
    glm4v(&args).ok();
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

/// The number of kills; `GLM4V_KILLS` sets another.
fn kills() -> u32 {
    let given = std::env::var("GLM4V_KILLS").ok();
    given.map_or(8, |kills| kills.parse().expect("GLM4V_KILLS is a number"))
}

#[test]
fn a_job_that_is_killed_ends_in_the_same_bytes() {
    let (photos, dir) = (photos(60), tempfile::tempdir().unwrap());
    let whole = output(&dir, "whole");
    let start = Instant::now();
    assert_eq!(glm4v(job(&photos, &whole)).code, Some(3));
    let time = start.elapsed();
    let expected = files(Path::new(&whole));
    let (kills, mut killed, mut round) = (kills(), 0, 0_u32);
    while killed < kills {
        let out = output(&dir, &format!("killed-{round}"));
        let mut finished = false;
        while !finished {
            // Moments that spread over the whole run, and differ from round to round
            killed += 1;
            let share = f64::from(killed * 37 % 101) / 100.0;
            let mut child = program()
                .args(job(&photos, &out))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            finished = ends_within(&mut child, time.mul_f64(share.max(0.1)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(run(program().args(job(&photos, &out))).code, Some(3));
        let found = files(Path::new(&out));
        assert!(found.keys().eq(expected.keys()), "{:?}", found.keys());
        for (name, bytes) in &expected {
            assert!(found[name] == *bytes, "round {round}: {name} differs");
        }
        fs::remove_dir_all(&out).unwrap();
        round += 1;
    }
}

fn ends_within(child: &mut Child, time: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < time {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    false
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

#[test]
fn options_of_jobs_need_a_directory() {
    let photos = photos(1);
    let path = photos.path().join("000.png");
    for option in [
        ["--pool", "mean"],
        ["--format", "parquet"],
        ["--shard", "0/2"],
    ] {
        let error = glm4v([&["encode", path.to_str().unwrap()], &option[..]].concat()).fails();
        assert!(
            error.contains("needs a directory for the output"),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_input_of_a_job() {
    let dir = tempfile::tempdir().unwrap();
    let (out, pipe) = (output(&dir, "out"), dir.path().join("pipe.png"));
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let error = glm4v(["encode", pipe.to_str().unwrap(), "-o", &out, "-q"]).fails();
    assert!(error.contains("this is a pipe"), "{error}");
}

#[test]
fn inputs_with_one_id_are_refused() {
    let (photos, dir) = (photos(2), tempfile::tempdir().unwrap());
    let out = output(&dir, "out");
    let path = photos.path().to_str().unwrap();
    let found = glm4v(["encode", path, path, "-o", &out, "-q"]);
    let error = found.fails();
    assert!(
        error.contains("two inputs have the id `000.png`"),
        "{error}"
    );
}
