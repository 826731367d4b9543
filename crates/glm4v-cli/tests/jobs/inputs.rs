//! Which inputs a job has, and their identifiers.

use std::fs;

use tempfile::TempDir;

use crate::common::{failures, output, photos};
use crate::support::{glm4v, program, run};

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

    // Nobody writes into it, so a job that opened it would wait for ever.
    let manifest = dir.path().join("list.csv");
    fs::write(&manifest, "path\npipe.png\n").unwrap();
    let manifest = manifest.to_str().unwrap();
    let job = [
        "encode",
        "--preset",
        "tiny",
        "--manifest",
        manifest,
        "-o",
        &out,
    ];
    let error = glm4v(job.into_iter().chain(["--on-error", "stop", "-q"])).fails();
    assert!(
        error.contains("line 2") && error.contains("this is a pipe"),
        "{error}"
    );
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
