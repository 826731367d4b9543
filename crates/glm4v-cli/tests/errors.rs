//! A bad input gives one line and exit status 1, a wrong command line exit status 2. Neither leaves a file behind.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{entries, glm4v, image, needed_mib, program, run};

/// The error of encoding `inputs`. Checks that no file is left behind.
fn refused(inputs: &[&Path]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.npy");
    let mut args = vec![Path::new("encode")];
    args.extend(inputs);
    args.extend([Path::new("-q"), Path::new("-o"), &output]);
    let error = glm4v(args).fails();
    assert_eq!(entries(dir.path()), [""; 0]);
    error
}

fn encode_chelsea(options: &[&str]) -> support::Run {
    let photo = image("chelsea.png");
    glm4v([&["encode", "-q", photo.to_str().unwrap()], options].concat())
}

fn broken_image(dir: &Path) -> PathBuf {
    let bytes = std::fs::read(image("chelsea.png")).unwrap();
    let path = dir.join("broken.png");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    path
}

#[test]
fn inputs_that_are_not_images_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let broken = broken_image(dir.path());
    let [text, empty] = ["notes.txt", "empty.png"].map(|name| dir.path().join(name));
    std::fs::write(&text, "not an image").unwrap();
    std::fs::write(&empty, "").unwrap();
    let slim = image("rgb-900x4.png");
    let nothing = dir.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    for (input, reason) in [
        (Path::new("no-such.png"), "cannot be read"),
        (&nothing, "contains no image and no video"),
        (&text, "not an i"),
        (&empty, "the file is empty"),
        (&broken, "the PNG image is damaged, cut off"),
        (&slim, "more than 200 times the other"),
    ] {
        let error = refused(&[input]);
        let name = input.display().to_string();
        assert!(
            error.starts_with(&name) && error.contains(reason),
            "{error}"
        );
        assert_eq!(error.matches(&name).count(), 1, "{error}");
    }
}

#[test]
fn a_video_of_frames_needs_frames_and_their_rate() {
    let dir = tempfile::tempdir().unwrap();
    let [folder, nothing] = ["frames", "nothing"].map(|name| dir.path().join(name));
    for folder in [&folder, &nothing] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::copy(image("rgb-60x83.png"), folder.join("1.png")).unwrap();
    let frames = |folder: &Path, options: &[&str]| {
        let command = ["encode", folder.to_str().unwrap()];
        glm4v([&command, options].concat()).fails()
    };
    let error = frames(&folder, &["--frames"]);
    assert!(error.contains("--source-fps"), "{error}");
    let error = frames(&nothing, &["--source-fps", "2"]);
    assert!(error.contains("the folder contains no images"), "{error}");
}

#[test]
fn one_bad_input_stops_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let broken = broken_image(dir.path());
    let good = image("chelsea.png");
    let error = refused(&[&good, &broken, &good]);
    assert!(error.contains("broken.png"), "{error}");
    let error = refused(&[&broken, Path::new("no-such.png")]);
    assert!(
        error.contains("no-such.png"),
        "missing files are reported first: {error}"
    );
}

/// The header of the broken image is intact, so that only decoding fails.
#[test]
fn the_third_of_five_inputs_is_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let broken = broken_image(dir.path());
    let good = [
        "chelsea.png",
        "rgb-60x83.png",
        "coffee-336.jpg",
        "rgb-90x62.png",
    ]
    .map(image);
    let [first, second, fourth, fifth] = &good;
    let inputs = [first, second, &broken, fourth, fifth];
    let output = dir.path().join("out.safetensors");
    let fails = |command: &str, options: &[&str]| {
        let mut program = program();
        program.arg(command).args(inputs).args(["-q", "-o"]);
        run(program.arg(&output).args(options)).fails()
    };
    // With the least memory each input is a batch, so that two are encoded before the third fails.
    let needed = needed_mib(&fails("encode", &["--max-memory", "1M"]));
    let least = format!("{}M", needed + 0.01);
    for (command, options) in [
        ("encode", &[][..]),
        ("encode", &["--max-memory", &least[..]]),
        ("preprocess", &[]),
    ] {
        let error = fails(command, options);
        let name = broken.display().to_string();
        assert!(error.starts_with(&name), "{error}");
        assert_eq!(error.matches(&name).count(), 1, "{error}");
        assert_eq!(entries(dir.path()), ["broken.png"]);
    }
}

#[test]
fn a_wrong_command_line_has_its_own_exit_status() {
    for (options, part) in [
        (&["-o", "out.txt"][..], ".safetensors or .npy or .json"),
        (&["-o", "out"], ".safetensors or .npy or .json"),
        (&["--preset", "huge"], "glm-4.1v-9b"),
        (&["--dtype", "f64"], "bf16"),
        (&["--device", "gpu"], "`gpu` is no device"),
        (&["--device", "flex:all"], "`flex:all` is no device"),
        (&["--attention-method", "flash"], "backend"),
        (&["-m", "x", "--preset", "tiny"], "cannot be used with"),
        (&["-m", "x", "--seed", "1"], "cannot be used with"),
        (&["--seed", "x"], "--seed"),
        (
            &["--preset", "tiny", "--processor", "glm-4.6v"],
            "cannot be used with",
        ),
        (
            &["--seed", "1", "--processor", "glm-4.6v"],
            "cannot be used with",
        ),
        (&["--processor", "glm-4.6v"], "--model"),
        (
            &["--min-tokens", "10", "--max-tokens", "5"],
            "--min-tokens 10 is larger than --max-tokens 5",
        ),
    ] {
        let error = encode_chelsea(options).misused();
        assert!(error.contains(part), "{error}");
    }
    assert!(glm4v(["encode"]).misused().contains("<INPUT>"));
    let npy = glm4v(["preprocess", "a.png", "-o", "a.npy"]).misused();
    assert!(npy.contains(".safetensors"), "{npy}");
}

#[cfg(unix)]
#[test]
fn a_link_is_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let [link, target] = ["link.npy", "target.npy"].map(|name| dir.path().join(name));
    std::os::unix::fs::symlink("target.npy", &link).unwrap();
    // At first there is no such file.
    for _ in 0..2 {
        encode_chelsea(&["-o", link.to_str().unwrap()]).ok();
        assert!(link.is_symlink() && target.is_file() && !target.is_symlink());
    }
}

#[test]
fn several_devices_are_gpus() {
    let error = encode_chelsea(&["--device", "flex,flex"]).fails();
    assert!(error.starts_with("flex is a CPU"), "{error}");
}

/// One GPU that is named twice counts as two devices. This tests that the program splits the work and joins the results.
#[test]
fn gpus_share_the_work() {
    let devices = glm4v(["devices", "--json"]).ok().json();
    let devices = devices["devices"].as_array().unwrap();
    let Some(gpu) = devices.iter().find(|device| device["kind"] != "cpu") else {
        eprintln!("SKIPPED: there is no GPU, and no software GPU");
        return;
    };
    let gpu = gpu["spec"].as_str().unwrap();
    let both = format!("{gpu},{gpu}");
    let dir = tempfile::tempdir().unwrap();
    let encode = |device: &str, output: &str| {
        let output = dir.path().join(output);
        let inputs = ["animated.gif", "rgb-60x83.png"].map(image);
        let mut program = support::program();
        program
            .arg("encode")
            .args(inputs)
            .args(["--device", device, "--json"]);
        let json = support::run(program.arg("-o").arg(&output)).ok().json();
        (json, support::read_safetensors(&output, "embeddings"))
    };
    let (alone, expected) = encode(gpu, "alone.safetensors");
    let (shared, found) = encode(&both, "shared.safetensors");
    assert_eq!(shared["device"]["spec"], both);
    assert_eq!(shared["device"]["name"], alone["device"]["name"]);
    assert_eq!(shared["tokens"], alone["tokens"]);
    assert_eq!(
        (&found.shape, &found.grids),
        (&expected.shape, &expected.grids)
    );
    for (found, expected) in found.values.iter().zip(&expected.values) {
        assert!((found - expected).abs() < 1e-4, "{found}, {expected}");
    }
    let output = dir.path().join("extra.safetensors");
    let extra = ["--last-hidden-state", "-o", output.to_str().unwrap()];
    let error = encode_chelsea(&[&["--device", &both], &extra[..]].concat()).fails();
    assert!(error.contains(&format!("--device {gpu}")), "{error}");
}

#[test]
fn a_backend_that_is_not_built_in_names_its_feature() {
    let devices = glm4v(["devices", "--json"]).ok().json();
    for backend in devices["not_built_in"].as_array().unwrap() {
        let backend = backend.as_str().unwrap();
        let error = encode_chelsea(&["--device", backend]).fails();
        assert!(error.contains(&format!("--features {backend}")), "{error}");
    }
    assert_eq!(devices["auto"], devices["devices"][0]["spec"]);
}

#[test]
fn a_directory_without_a_checkpoint_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().to_str().unwrap();
    for command in [
        &["inspect", model][..],
        &["encode", "-q", "a.png", "-m", model],
    ] {
        let error = glm4v(command).fails();
        assert!(
            error.contains(model) && error.contains("config.json"),
            "{error}"
        );
    }
    let error = encode_chelsea(&["-m", "no-such-dir"]).fails();
    assert!(error.contains("no-such-dir: there is no such"), "{error}");
}

#[test]
fn an_output_that_cannot_be_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("taken.npy");
    std::fs::create_dir(&directory).unwrap();
    let nowhere = dir.path().join("no/such/out.npy");
    for (output, part) in [
        (nowhere.to_str().unwrap(), "there is no directory"),
        (directory.to_str().unwrap(), "is a directory"),
        // This directory is read-only even for root.
        #[cfg(target_os = "linux")]
        ("/proc/out.npy", "cannot be written"),
    ] {
        let error = encode_chelsea(&["-o", output]).fails();
        assert!(error.starts_with(output) && error.contains(part), "{error}");
    }
    assert_eq!(entries(dir.path()), ["taken.npy"]);
}

/// A limit on the file size stands in for a full disk: the write fails half way.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for ending in ["safetensors", "npy", "json"] {
        let output = dir.path().join("out").with_extension(ending);
        let mut shell = Command::new("bash");
        shell.env_remove("XDG_RUNTIME_DIR");
        shell.args(["-c", r#"trap "" XFSZ; ulimit -f 64; exec "$@""#, "-"]);
        shell
            .arg(env!("CARGO_BIN_EXE_glm4v"))
            .args(["encode", "-q"]);
        shell.arg(image("chelsea.png")).arg("-o").arg(&output);
        let error = run(&mut shell).fails();
        assert!(
            error.contains("cannot be written") && error.contains("File too large"),
            "{error}"
        );
        assert_eq!(entries(dir.path()), [""; 0]);
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut child = program()
        .arg("devices")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(
        output.stderr.is_empty(),
        "{:?}",
        output.stderr.escape_ascii().to_string()
    );
}
