//! Jobs: `glm4v encode … -o DIR/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ::image::{DynamicImage, Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

mod support;

use support::{Run, glm4v, has_ffmpeg, image, program, run, video};

/// A folder with images of several sizes, one of them damaged, and a file that is none.
fn photos(count: u32) -> TempDir {
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

/// How often a job is interrupted; the environment variable sets another number.
fn repetitions(variable: &str, default: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |given| given.parse().expect(variable))
}

/// Checks that two directories of jobs have the same files.
fn assert_same(found: &str, expected: &BTreeMap<String, Vec<u8>>, what: &str) {
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

#[test]
fn a_job_that_is_killed_ends_in_the_same_bytes() {
    kill_until_done(repetitions("GLM4V_KILLS", 8), false);
}

/// The CPU kernels give an input the same values in any batch. So bytes do not depend on what the cache has.
#[test]
fn a_job_with_a_cache_that_is_killed_ends_in_the_same_bytes() {
    kill_until_done(repetitions("GLM4V_KILLS", 8), true);
}

fn kill_until_done(kills: u32, with_cache: bool) {
    let (photos, dir) = (photos(60), tempfile::tempdir().unwrap());
    let whole = output(&dir, "whole");
    let start = Instant::now();
    assert_eq!(glm4v(job(&photos, &whole)).code, Some(3));
    let time = start.elapsed();
    let expected = files(Path::new(&whole));
    let (mut killed, mut round) = (0, 0_u32);
    while killed < kills {
        let out = output(&dir, &format!("killed-{round}"));
        let cache = output(&dir, &format!("cache-{round}"));
        let job = |photos, out| {
            let mut args = job(photos, out);
            if with_cache {
                args.extend(["--cache", &cache]);
            }
            args
        };
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
        assert_same(&out, &expected, &format!("round {round}"));
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
    let path = path.to_str().unwrap();
    for option in [
        &["--pool", "mean"][..],
        &["--format", "parquet"],
        &["--shard", "0/2"],
        &["--retry-failed"],
    ] {
        let error = glm4v([&["encode", path], option].concat()).misused();
        assert!(
            error.contains(&format!("{} needs a directory for the output", option[0])),
            "{error}"
        );
        for (to, part) in [
            (
                &["--to", "vllm-cache", "-o", "cache/"][..],
                "writes one file in bf16",
            ),
            (&["--to", "openai"], "prints one line for each input"),
        ] {
            let error = glm4v([&["encode", path], to, option].concat()).misused();
            let expected = format!("{} has no effect with {} {}", option[0], to[0], to[1]);
            assert!(error.contains(&expected) && error.contains(part), "{error}");
        }
    }
    assert!(!Path::new("cache").exists());
    let dir = tempfile::tempdir().unwrap();
    let out = output(&dir, "out");
    let error = glm4v(["encode", path, "-o", &out, "--output-dtype", "bf16", "-q"]).misused();
    assert!(
        error.contains("choose f16 or f32, or the format safetensors"),
        "{error}"
    );
    let error = glm4v(["encode", "--manifest", "list.xlsx", "-o", &out, "-q"]).misused();
    assert!(
        error.contains("list.xlsx: expected a manifest with the extension"),
        "{error}"
    );
    let error = glm4v(["encode", "--resume"]).misused();
    assert!(error.contains("--resume needs a directory"), "{error}");
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
    let first = photos.path().join("000.png").display().to_string();
    assert!(
        error.contains(&format!(
            "two inputs have the id `000.png`: {first} and {first}; name"
        )),
        "{error}"
    );

    // Two folders with equal names in them: each is named by its path.
    let other = one_photo();
    let (one, two) = (path, other.path().to_str().unwrap());
    let error = glm4v(["encode", one, two, "-o", &out, "-q"]).fails();
    let expected = format!(
        "{first} and {}; name their common parent",
        other.path().join("000.png").display()
    );
    assert!(error.contains(&expected), "{error}");
}

/// A folder with one image that the other folders have too.
fn one_photo() -> TempDir {
    let folder = photos(1);
    fs::remove_file(folder.path().join("015x.png")).unwrap();
    folder
}

/// A list with these lines.
fn list(dir: &TempDir, lines: &[&str]) -> String {
    let path = dir.path().join("list.txt");
    fs::write(&path, lines.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The items of `--json` that failed: their ids and errors.
fn failures(found: &Run) -> Vec<(String, String)> {
    let items = lines(&found.stdout).into_iter();
    items
        .filter_map(|item| Some((item["id"].as_str()?.into(), item["error"].as_str()?.into())))
        .collect()
}

#[test]
fn a_missing_line_of_a_list_is_recorded() {
    let (photos, dir) = (photos(2), tempfile::tempdir().unwrap());
    let good = photos.path().join("000.png").display().to_string();
    let notes = photos.path().join("notes.txt").display().to_string();
    let list = list(
        &dir,
        &["/no/such.png", &good, "ftp://a.example/b.png", &notes],
    );
    let out = output(&dir, "out");
    let found = glm4v(["encode", "--files-from", &list, "-o", &out, "--json", "-q"]);
    assert_eq!(found.code, Some(3), "{found:#?}");
    let failures = failures(&found);
    let ids: Vec<&str> = failures.iter().map(|(id, _)| &id[..]).collect();
    assert_eq!(ids, ["/no/such.png", "ftp://a.example/b.png", &notes]);
    assert!(failures[0].1.starts_with("/no/such.png: "), "{failures:?}");
    assert_eq!(
        failures[0].1.matches("/no/such.png").count(),
        1,
        "{failures:?}"
    );
    assert!(failures[1].1.contains("line 3"), "{failures:?}");

    // One file: the same with --on-error skip, and an error without.
    let file = dir.path().join("all.npy").display().to_string();
    let args = ["encode", "--files-from", &list, "-o", &file, "-q"];
    let error = glm4v(args).fails();
    assert!(
        error.contains("line 1: /no/such.png: no such file"),
        "{error}"
    );
    let found = glm4v([&args[..], &["--on-error", "skip"]].concat());
    assert_eq!(found.code, Some(3), "{found:#?}");
    assert_eq!(found.stderr.matches("skipped: ").count(), 3, "{found:#?}");
    // A job that must stop does not start.
    let stopped = output(&dir, "stopped");
    let args = ["encode", "--files-from", &list, "-o", &stopped, "-q"];
    let error = glm4v([&args[..], &["--on-error", "stop"]].concat()).fails();
    assert!(error.contains("line 1: /no/such.png"), "{error}");
    // A list that is not there is an error always.
    let missing = dir.path().join("no-list").display().to_string();
    let args = ["encode", "--files-from", &missing, "-o", &stopped, "-q"];
    let error = glm4v([&args[..], &["--on-error", "skip"]].concat()).fails();
    assert!(error.contains("no-list: cannot be read"), "{error}");
}

#[test]
fn what_the_command_line_names_must_be_there_unless_failures_are_skipped() {
    let (photos, dir) = (photos(2), tempfile::tempdir().unwrap());
    let (out, path) = (output(&dir, "out"), photos.path().to_str().unwrap());
    for (named, part) in [
        ("/no/such.png", "no such file"),
        ("/no/such/*.png", "no file matches"),
    ] {
        let args = ["encode", path, named, "-o", &out, "-q", "--json"];
        let error = glm4v(args).fails();
        assert!(error.contains(named) && error.contains(part), "{error}");
        let out = output(
            &dir,
            if part.contains("match") {
                "pattern"
            } else {
                "file"
            },
        );
        let args = [
            "encode",
            path,
            named,
            "-o",
            &out,
            "-q",
            "--json",
            "--on-error",
            "skip",
        ];
        let found = glm4v(args);
        assert_eq!(found.code, Some(3), "{found:#?}");
        let failures = failures(&found);
        assert_eq!(failures.len(), 2, "{failures:?}");
        assert!(
            failures[1].0 == named && failures[1].1.contains(named),
            "{failures:?}"
        );
    }
    let file = dir.path().join("all.npy").display().to_string();
    let args = [
        "encode",
        "/no/such.png",
        &photos.path().join("000.png").display().to_string(),
        "-o",
        &file,
        "-q",
    ]
    .map(str::to_owned);
    glm4v(&args).fails();
    let found = glm4v(
        args.iter()
            .map(String::as_str)
            .chain(["--on-error", "skip"]),
    );
    assert_eq!(found.code, Some(3), "{found:#?}");
}

#[test]
fn a_resume_with_other_inputs_names_them() {
    let (photos, dir) = (photos(4), tempfile::tempdir().unwrap());
    let (out, path) = (output(&dir, "out"), photos.path().to_str().unwrap());
    let here = |args: &[&str]| run(program().args(args).current_dir(photos.path()));
    assert_eq!(here(&["encode", path, "-o", &out, "-q"]).code, Some(3));
    // Other names of the same folder.
    for name in [".", "./", &format!("{path}//")] {
        let found = here(&["encode", name, "-o", &out]);
        assert!(
            found.stderr.contains("the job is complete"),
            "{name}: {found:#?}"
        );
    }
    // The stored list.
    let found = glm4v(["encode", "-o", &out, "--resume"]);
    assert!(found.stderr.contains("the job is complete"), "{found:#?}");
    let error = glm4v(["encode", path, "-o", &out, "--resume"]).misused();
    assert!(error.contains("cannot be used with"), "{error}");
    let nothing = output(&dir, "nothing");
    let error = glm4v(["encode", "-o", &nothing, "--resume", "-q"]).fails();
    assert!(
        error.contains("there is no job in this directory"),
        "{error}"
    );

    fs::remove_file(photos.path().join("000.png")).unwrap();
    fs::copy(photos.path().join("003.png"), photos.path().join("new.png")).unwrap();
    let error = here(&["encode", path, "-o", &out, "-q"]).fails();
    for part in [
        "1 input is new: `new.png` (",
        "1 input is missing: `000.png` (",
        "--resume without inputs goes on with the stored list",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(error.matches(&out).count(), 1, "{error}");
}

#[test]
fn ids_do_not_depend_on_how_a_file_is_named() {
    let (photos, dir) = (photos(2), tempfile::tempdir().unwrap());
    let out = output(&dir, "out");
    let here = |args: &[&str]| run(program().args(args).current_dir(photos.path()));
    here(&["encode", "./000.png", "001.jpg", "-o", &out, "-q"]).ok();
    let found = here(&["encode", "000.png", ".//001.jpg", "-o", &out]).ok();
    assert!(found.stderr.contains("the job is complete"), "{found:#?}");
    // With its absolute path it has another id, which the error shows.
    let absolute = photos.path().join("000.png").display().to_string();
    let error = here(&["encode", &absolute, "001.jpg", "-o", &out, "-q"]).fails();
    let expected = format!("new: `{absolute}`; 1 input is missing: `000.png` ({absolute})");
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_machine_without_ffmpeg_stops_the_job_and_failures_can_be_tried_again() {
    let (photos, dir) = (photos(3), tempfile::tempdir().unwrap());
    fs::copy(video("bigbuckbunny.mp4"), photos.path().join("999.mp4")).unwrap();
    let out = output(&dir, "out");
    let path = photos.path().to_str().unwrap();
    let args = ["encode", path, "-o", &out, "-q", "--json", "--fps", "0.5"];
    let without_ffmpeg = |args: &[&str]| run(program().args(args).env("PATH", dir.path()));
    let error = without_ffmpeg(&args).fails_with_notes();
    for part in [
        "999.mp4",
        "install ffmpeg",
        "no fault of the input",
        "goes on where it stopped",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(error.matches("999.mp4").count(), 1, "{error}");
    let skip = [&args[..], &["--on-error", "skip"]].concat();
    let found = without_ffmpeg(&skip);
    assert_eq!(found.code, Some(3), "{found:#?}");
    assert_eq!(failures(&found).len(), 2, "{found:#?}");
    let before = files(Path::new(&out));

    // Still without ffmpeg: nothing changes.
    let retry = [&skip[..], &["--retry-failed"]].concat();
    assert_eq!(without_ffmpeg(&retry).code, Some(3));
    assert_same(&out, &before, "a retry that fails");
    if !has_ffmpeg() {
        return;
    }
    let found = run(program().args(&retry));
    assert_eq!(found.code, Some(3), "{found:#?}");
    let failures = failures(&found);
    assert_eq!(failures.len(), 1, "{failures:?}");
    let total = lines(&found.stdout).pop().unwrap()["total"].clone();
    assert_eq!(
        [&total["encoded"], &total["failed"], &total["shards"]],
        [4, 1, 2]
    );
    let after = files(Path::new(&out));
    assert!(after["shard-000000.parquet"] == before["shard-000000.parquet"]);
    let journal = String::from_utf8(after["journal.jsonl"].clone()).unwrap();
    assert_eq!(
        lines(&journal)[1]["retried"],
        serde_json::json!([4]),
        "{journal}"
    );
    // The damaged image stays a failure.
    fs::copy(
        photos.path().join("000.png"),
        photos.path().join("015x.png"),
    )
    .unwrap();
    let found = run(program().args(&retry)).ok();
    let total = lines(&found.stdout).pop().unwrap()["total"].clone();
    assert_eq!(
        [&total["encoded"], &total["failed"], &total["shards"]],
        [5, 0, 3]
    );
    let found = glm4v(
        [
            &["encode", "-o", &out, "--resume", "--fps", "0.5"][..],
            &["--retry-failed"],
        ]
        .concat(),
    )
    .ok();
    assert!(found.stderr.contains("the job is complete"), "{found:#?}");
}

#[test]
fn a_temporary_directory_that_cannot_be_used_stops_the_job() {
    let (photos, dir) = (photos(1), tempfile::tempdir().unwrap());
    fs::copy(video("bigbuckbunny.mp4"), photos.path().join("a.mp4")).unwrap();
    let archive = dir.path().join("a.tar");
    let made = std::process::Command::new("tar")
        .arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(photos.path())
        .arg("a.mp4")
        .status();
    assert!(made.unwrap().success());
    let out = output(&dir, "out");
    let mut program = program();
    program.args(["encode", archive.to_str().unwrap(), "-o", &out, "-q"]);
    let error = run(program.env("TMPDIR", "/no/such/folder")).fails();
    assert!(
        error.contains("a.tar/a.mp4")
            && error.contains("set TMPDIR")
            && error.contains("no fault of the input"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_signal_loses_only_the_batch_that_is_encoded() {
    let (photos, dir) = (photos(60), tempfile::tempdir().unwrap());
    let (whole, out) = (output(&dir, "whole"), output(&dir, "out"));
    // One shard for all inputs, so that nothing but its rows is there.
    let job = |out| {
        let mut args = job(&photos, out);
        args.retain(|arg| !["--shard-size", "100K"].contains(arg));
        args
    };
    assert_eq!(glm4v(job(&whole)).code, Some(3));
    let mut child = program()
        .args(job(&out))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let rows = Path::new(&out).join("open-shard.rows");
    let size = || fs::metadata(&rows).map_or(0, |metadata| metadata.len());
    while size() < 100_000 {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        thread::sleep(Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", "INT", &pid])
        .status();
    assert!(sent.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert!(
        stderr.ends_with("glm4v: error: stopped by SIGINT\n"),
        "{stderr}"
    );
    assert!(!Path::new(&out).join("shard-000000.parquet").exists());

    let resumed = glm4v(job(&out));
    assert_eq!(resumed.code, Some(3), "{resumed:#?}");
    let note = resumed
        .stderr
        .lines()
        .find(|line| line.contains("inputs are done; the job goes on"));
    let done: u32 = note.unwrap().split(' ').nth(2).unwrap().parse().unwrap();
    assert!(done > 2, "{note:?}");
    assert_same(&out, &files(Path::new(&whole)), "after a signal");
}

/// A disk that is full again and again: a small tmpfs, or a limit of the size of files where none can be mounted.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_and_is_freed_ends_in_the_same_bytes() {
    let (photos, dir) = (photos(60), tempfile::tempdir().unwrap());
    let whole = output(&dir, "whole");
    assert_eq!(glm4v(job(&photos, &whole)).code, Some(3));
    let expected = files(Path::new(&whole));
    let size: u64 = expected.values().map(|bytes| bytes.len() as u64).sum();
    let largest = expected.values().map(Vec::len).max().unwrap() as u64;
    let disks = repetitions("GLM4V_FULL_DISKS", 6);
    let mounted = Mounted::new(2 * size);
    if mounted.is_none() {
        eprintln!("a tmpfs cannot be mounted here: a limit of the size of files stands in for it");
    }
    let (mut full, mut round) = (0, 0_u64);
    while full < disks {
        let parent = mounted
            .as_ref()
            .map_or(dir.path(), |mounted| mounted.0.path());
        let (out, fill) = (
            format!("{}/out-{round}/", parent.display()),
            parent.join("fill"),
        );
        let mut attempt = 0;
        loop {
            // Moments that spread over the whole run, and differ from round to round
            let share = (attempt * 13 + round * 7) % 100;
            let found = match &mounted {
                Some(_) => {
                    fs::write(
                        &fill,
                        vec![0; (size * (100 - share) / 100 + size / 2) as usize],
                    )
                    .ok();
                    let found = run(program().args(job(&photos, &out)));
                    fs::remove_file(&fill).ok();
                    found
                }
                None => limited(largest * share / 100 / 1024 + 1, &job(&photos, &out)),
            };
            attempt += 1;
            if found.code == Some(3) {
                break;
            }
            let error = found.fails_with_notes();
            assert!(
                error.contains("no space left") && error.contains(&out),
                "{error}"
            );
            assert_eq!(error.matches(&out).count(), 1, "{error}");
            full += 1;
            if attempt == 8 {
                assert_eq!(glm4v(job(&photos, &out)).code, Some(3));
                break;
            }
        }
        assert_same(&out, &expected, &format!("round {round}"));
        fs::remove_dir_all(&out).unwrap();
        round += 1;
    }
}

/// Runs the program with a limit of the size of each file, in KiB.
#[cfg(target_os = "linux")]
fn limited(kib: u64, args: &[&str]) -> Run {
    let mut shell = std::process::Command::new("bash");
    shell.env_remove("XDG_RUNTIME_DIR");
    let script = format!(r#"trap "" XFSZ; ulimit -f {kib}; exec "$@""#);
    shell.args(["-c", &script, "-", env!("CARGO_BIN_EXE_glm4v")]);
    run(shell.args(args))
}

/// A small file system.
#[cfg(target_os = "linux")]
struct Mounted(TempDir);

#[cfg(target_os = "linux")]
impl Mounted {
    fn new(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let mut mount = std::process::Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path());
        let done = mount.output().is_ok_and(|output| output.status.success());
        done.then_some(Self(dir))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        let mut unmount = std::process::Command::new("umount");
        unmount.arg("--lazy").arg(self.0.path()).status().ok();
    }
}

#[test]
fn videos_for_openai_are_skipped_if_failures_are() {
    let gif = image("animated.gif").display().to_string();
    let photo = image("rgb-60x83.png").display().to_string();
    let args = ["encode", "--to", "openai", &gif, &photo];
    let error = glm4v(args).fails_with_notes();
    assert!(error.contains("animated.gif: is a video"), "{error}");
    let found = glm4v([&args[..], &["--on-error", "skip"]].concat());
    assert_eq!(found.code, Some(3), "{found:#?}");
    assert_eq!(found.stdout.lines().count(), 1, "{found:#?}");
    assert!(found.stderr.contains("skipped: "), "{found:#?}");
}
