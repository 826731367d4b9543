//! Options that are refused.

use std::path::Path;

use crate::common::{files, output, photos};
use crate::support::glm4v;

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

/// A list that came from a pipe cannot be read again.
#[test]
fn a_job_that_cannot_be_resumed_keeps_its_list() {
    let (photos, dir) = (photos(3), tempfile::tempdir().unwrap());
    let (out, path) = (output(&dir, "out"), photos.path().to_str().unwrap());
    let job = ["encode", path, "-o", &out, "-q", "--max-memory", "2G"];
    assert_eq!(glm4v(job).code, Some(3));
    // As it is when the first batch is interrupted.
    for name in files(Path::new(&out)).into_keys() {
        if name != "manifest.json" && name != "inputs.jsonl" {
            std::fs::remove_file(Path::new(&out).join(name)).unwrap();
        }
    }
    // As if the job had been started on a machine with less memory.
    let manifest = Path::new(&out).join("manifest.json");
    let replace = |old: &str, new: &str| {
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains(old), "{text}");
        std::fs::write(&manifest, text.replace(old, new)).unwrap();
    };
    let resume = ["encode", "-o", &out, "--resume", "-q", "--max-memory"];
    replace("2147483648", "10485760");
    let error = glm4v([&resume[..], &["10M"]].concat()).fails();
    assert!(error.contains("--max-memory allows 10.00 MiB"), "{error}");
    replace("10485760", "2147483648");
    assert_eq!(glm4v([&resume[..], &["2G"]].concat()).code, Some(3));
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
