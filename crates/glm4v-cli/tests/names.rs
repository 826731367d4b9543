//! Names with control characters: they are escaped on the terminal, and exact in JSON.
#![cfg(unix)]

mod support;

use std::fs;
use std::path::PathBuf;

use support::{Run, glm4v, image};
use tempfile::TempDir;

const NAME: &str = "a\x1b[31m\n\tb\u{202e}.png";
const ESCAPED: &str = r"a\u{1b}[31m\n\tb\u{202e}.png";

/// Checks that nothing but line ends controls the terminal.
fn is_safe(run: &Run) {
    for output in [&run.stdout, &run.stderr] {
        let mut characters = output.chars();
        let is_control = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
        assert!(!characters.any(is_control), "{output:?}");
    }
}

fn named(content: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(NAME);
    fs::write(&path, content).unwrap();
    (dir, path)
}

#[test]
fn tables_and_json() {
    let (dir, path) = named(&fs::read(image("rgb-60x83.png")).unwrap());
    let output = dir.path().join(NAME).with_extension("npy");
    let [input, output] = [&path, &output].map(|path| path.to_str().unwrap());
    let run = glm4v(["encode", input, "-o", output]).ok();
    is_safe(&run);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("input "), "{lines:?}");
    assert!(
        lines[1].contains(&format!("{ESCAPED}  60×83  ")),
        "{lines:?}"
    );
    let written = ESCAPED.replace(".png", ".npy");
    assert!(lines.last().unwrap().ends_with(&written), "{lines:?}");
    let json = glm4v(["encode", "-q", "--json", input]).ok().json();
    assert_eq!(json["inputs"][0]["file"], input);
    let plan = glm4v(["plan", input]).ok();
    is_safe(&plan);
    assert!(plan.stdout.contains(ESCAPED), "{}", plan.stdout);
}

#[test]
fn errors_and_warnings() {
    let (dir, path) = named(b"no image");
    let input = path.to_str().unwrap();
    let missing = path.with_extension("gif");
    for (args, part) in [
        (["encode", input], ESCAPED),
        (["encode", missing.to_str().unwrap()], r"a\u{1b}[31m\n\tb"),
        (["inspect", input], ESCAPED),
        // clap drops control characters.
        (["encode", "--dtype=\x07\x1b[31mf8"], "invalid value 'f8'"),
    ] {
        let run = glm4v(args);
        is_safe(&run);
        assert_ne!(run.code, Some(0));
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
    // A folder of frames warns of files that are not images.
    fs::copy(image("rgb-60x83.png"), dir.path().join("1.png")).unwrap();
    let folder = dir.path().to_str().unwrap();
    let run = glm4v(["encode", folder, "--source-fps", "2"]).ok();
    is_safe(&run);
    assert!(run.stderr.contains(ESCAPED), "{}", run.stderr);
}

#[test]
fn values_of_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    let model = model.to_str().unwrap();
    glm4v(["init", "-q", "--preset", "tiny", "-o", model]).ok();
    let config = dir.path().join("model/config.json");
    let text = fs::read_to_string(&config).unwrap();
    let odd = text.replace("glm4v", r"glm\u001b[31m");
    assert_ne!(text, odd);
    fs::write(&config, odd).unwrap();
    let run = glm4v(["inspect", model]);
    is_safe(&run);
    assert!(run.stderr.contains(r"glm\u{1b}[31m"), "{}", run.stderr);
}
