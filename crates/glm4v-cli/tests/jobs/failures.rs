//! Inputs that fail, and failures of the machine.

use std::fs;
use std::path::Path;

use crate::common::{assert_same, failures, files, job, lines, output, photos};
use crate::support::{glm4v, has_ffmpeg, image, program, run, video};

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

/// The content says that it is an archive, with a file for the output as with a directory.
#[test]
fn an_archive_can_have_any_name() {
    let (photos, dir) = (photos(2), tempfile::tempdir().unwrap());
    let archive = dir.path().join("shard-000");
    pack(&archive, photos.path(), &["000.png", "001.jpg"]);
    let archive = archive.to_str().unwrap();
    let file = dir.path().join("a.npy");
    glm4v(["encode", archive, "-o", file.to_str().unwrap(), "-q"]).ok();
    glm4v(["encode", archive, "-o", &output(&dir, "out"), "-q"]).ok();
    let rar = dir.path().join("photos.rar");
    fs::write(&rar, b"Rar!\x1a\x07\x01\x00 and more").unwrap();
    let error = glm4v(["encode", rar.to_str().unwrap()]).fails();
    assert!(error.contains("unpack the archive"), "{error}");
}

/// With `--max-memory` one input is opened at a time, and the large one comes first.
#[test]
fn an_input_that_does_not_fit_into_the_memory_fails_alone() {
    let (photos, dir) = (photos(3), tempfile::tempdir().unwrap());
    let large = photos.path().join("000-large.png");
    ::image::RgbImage::new(3000, 3000).save(&large).unwrap();
    let (out, path) = (output(&dir, "out"), photos.path().to_str().unwrap());
    let job = [
        "encode",
        path,
        "-o",
        &out,
        "--json",
        "-q",
        "--max-memory",
        "100M",
    ];
    for options in [&[][..], &["--retry-failed"]] {
        let found = glm4v([&job, options].concat());
        assert_eq!(found.code, Some(3), "{}", found.stderr);
        let failures = failures(&found);
        let ids: Vec<&str> = failures.iter().map(|(id, _)| &id[..]).collect();
        assert_eq!(ids, ["000-large.png", "015x.png"]);
        assert!(failures[0].1.contains("needs at least"), "{failures:?}");
    }

    let small = photos.path().join("000.png");
    let (file, cache) = (dir.path().join("a.npy"), dir.path().join("cache"));
    let [large, small, file, cache] =
        [&large, &small, &file, &cache].map(|path| path.to_str().unwrap());
    let encode = [
        "encode",
        large,
        small,
        "-o",
        file,
        "-q",
        "--cache",
        cache,
        "--on-error",
        "skip",
    ];
    let limited = [&encode[..], &["--max-memory", "100M"]].concat();
    let found = glm4v(&limited);
    assert_eq!(found.code, Some(3), "{}", found.stderr);
    assert!(
        found.stderr.contains("000-large.png: needs at least"),
        "{}",
        found.stderr
    );
    // What the cache has needs no memory of the tower.
    glm4v(encode).ok();
    glm4v(&limited).ok();
}

/// The others are not lost.
#[test]
fn parts_for_openai_are_printed_one_by_one() {
    let (photos, dir) = (photos(1), tempfile::tempdir().unwrap());
    let large = |name: &str| {
        let path = dir.path().join(name);
        ::image::RgbImage::new(3000, 2000).save(&path).unwrap();
        path
    };
    // One image fills a batch, so the damaged one is read after the first was encoded.
    let (first, last) = (large("first.png"), large("last.png"));
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    let photo = photos.path().join("000.png");
    let inputs = [&photo, &first, &last].map(|path| path.to_str().unwrap());
    let found = glm4v([&["encode", "--to", "openai", "-q", "--json"], &inputs[..]].concat());
    assert_eq!(found.code, Some(1), "{}", found.stderr);
    assert!(found.stderr.contains("last.png"), "{}", found.stderr);
    assert_eq!(found.stdout.lines().count(), 2);
}

#[test]
fn a_temporary_directory_that_cannot_be_used_stops_the_job() {
    let (photos, dir) = (photos(1), tempfile::tempdir().unwrap());
    fs::copy(video("bigbuckbunny.mp4"), photos.path().join("a.mp4")).unwrap();
    let archive = dir.path().join("a.tar");
    pack(&archive, photos.path(), &["a.mp4"]);
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

/// Makes a tar archive of files in a folder.
fn pack(archive: &Path, folder: &Path, names: &[&str]) {
    let mut tar = std::process::Command::new("tar");
    tar.arg("-cf").arg(archive).arg("-C").arg(folder);
    assert!(tar.args(names).status().unwrap().success());
}
