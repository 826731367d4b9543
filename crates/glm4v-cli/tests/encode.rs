//! `glm4v encode` and `glm4v preprocess`, from images to files.

mod support;

use std::path::Path;

use ndarray::Array2;
use ndarray_npy::ReadNpyExt;
use support::{Run, Stored, entries, glm4v, image, program, read_safetensors, run};

fn encode(images: &[&str], output: &Path, options: &[&str]) -> Run {
    let mut args = vec!["encode".into()];
    args.extend(images.iter().map(|name| image(name).into_os_string()));
    args.extend(options.iter().map(Into::into));
    args.extend(["-o".into(), output.into()]);
    glm4v(args).ok()
}

fn read_json(path: &Path) -> Stored {
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let rows: Vec<Vec<f32>> = serde_json::from_value(json["embeddings"].clone()).unwrap();
    Stored {
        shape: serde_json::from_value(json["shape"].clone()).unwrap(),
        values: rows.concat(),
        grids: serde_json::from_value(json["grid_thw"].clone()).unwrap(),
    }
}

#[test]
fn the_three_formats_agree() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["a.safetensors", "a.npy", "a.json"].map(|name| dir.path().join(name));
    for file in &files {
        encode(&["chelsea.png", "rgb-60x83.png"], file, &[]);
    }
    let stored = read_safetensors(&files[0], "embeddings");
    assert_eq!(stored.grids, [[1, 22, 32], [1, 8, 6]]);
    assert_eq!(stored.shape, [(22 * 32 + 8 * 6) / 4, 256]);
    assert!(stored.values.iter().all(|value| value.is_finite()));
    assert_eq!(stored, read_json(&files[2]));

    let array = Array2::<f32>::read_npy(std::fs::File::open(&files[1]).unwrap()).unwrap();
    assert_eq!(array.shape(), stored.shape);
    assert_eq!(array.into_raw_vec_and_offset().0, stored.values);
    assert_eq!(entries(dir.path()), ["a.json", "a.npy", "a.safetensors"]);
}

#[test]
fn an_older_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.json");
    std::fs::write(&file, "old").unwrap();
    encode(&["rgb-60x83.png"], &file, &["--seed", "1"]);
    let first = read_json(&file);
    encode(&["rgb-60x83.png"], &file, &["--seed", "2"]);
    assert_ne!(read_json(&file), first);
}

#[test]
fn the_output_is_as_readable_as_any_file() {
    let dir = tempfile::tempdir().unwrap();
    let (written, usual) = (dir.path().join("a.npy"), dir.path().join("usual"));
    encode(&["rgb-60x83.png"], &written, &[]);
    std::fs::write(&usual, "").unwrap();
    let permissions = |path: &Path| path.metadata().unwrap().permissions();
    assert_eq!(permissions(&written), permissions(&usual));
}

#[test]
fn bf16_and_int8_are_close_to_f32() {
    let dir = tempfile::tempdir().unwrap();
    let values = |dtype: &str| {
        let file = dir.path().join(dtype).with_extension("safetensors");
        let run = encode(
            &["rgb-60x83.png"],
            &file,
            &["--dtype", dtype, "--device", "flex", "--json"],
        );
        assert_eq!(run.json()["dtype"], dtype);
        read_safetensors(&file, "embeddings").values
    };
    let exact = values("f32");
    for dtype in ["bf16", "int8"] {
        let pairs = exact.iter().zip(values(dtype));
        let error: f32 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
        let size: f32 = exact.iter().map(|a| a * a).sum();
        assert!(
            error > 0.0 && error < 0.01 * size,
            "{dtype}: {error} of {size}"
        );
    }
}

#[test]
fn no_bit_of_int8_depends_on_the_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = |threads: &str| {
        let file = dir.path().join(threads).with_extension("npy");
        let mut command = program();
        command.args(["encode", "-q", "--dtype", "int8", "--device", "flex"]);
        command.arg(image("rgb-60x83.png")).arg("-o").arg(&file);
        run(command.env("RAYON_NUM_THREADS", threads)).ok();
        std::fs::read(file).unwrap()
    };
    let one = bytes("1");
    for threads in ["2", "3", "4"] {
        assert!(bytes(threads) == one, "{threads} threads");
    }
}

#[test]
fn without_a_file_the_summary_says_so() {
    let run = glm4v(["encode".as_ref(), image("chelsea.png").as_os_str()]).ok();
    for part in [
        "chelsea.png",
        "451×300",
        "1×22×32",
        "176 tokens",
        "[176, 256]",
        "-o FILE",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    assert!(
        run.stderr.contains("random (preset tiny, seed 0)"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("-m DIR"), "{}", run.stderr);
}

#[test]
fn json_and_quiet_are_for_programs() {
    let photo = image("exif-6.jpg");
    let run = glm4v(["-q", "--json", "encode", photo.to_str().unwrap()]).ok();
    assert_eq!(run.stderr, "");
    let json = run.json();
    assert_eq!(json["output"], serde_json::Value::Null);
    assert_eq!(json["non_finite"], 0);
    assert_eq!(json["weights"]["preset"], "tiny");
    assert_eq!(json["inputs"][0]["tokens"], json["tokens"]);
    for stage in ["read", "load", "encode"] {
        assert!(json["seconds"][stage].as_f64().unwrap() > 0.0, "{stage}");
    }
    let quiet = glm4v(["encode", "-q", photo.to_str().unwrap()]).ok();
    assert_eq!((quiet.stdout, quiet.stderr), (String::new(), String::new()));
}

#[test]
fn no_exif_ignores_the_orientation() {
    let size = |options: &[&str]| {
        let photo = image("exif-6.jpg");
        let run = glm4v([&["encode", "--json", photo.to_str().unwrap()], options].concat()).ok();
        let input = &run.json()["inputs"][0];
        (input["width"].as_u64(), input["height"].as_u64())
    };
    let (rotated, stored) = (size(&[]), size(&["--no-exif"]));
    assert_ne!(rotated, stored);
    assert_eq!(rotated, (stored.1, stored.0));
}

#[test]
fn preprocess_writes_patch_rows() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rows.safetensors");
    let photo = image("chelsea.png");
    let args = [
        "preprocess",
        photo.to_str().unwrap(),
        "-o",
        file.to_str().unwrap(),
        "--json",
    ];
    let json = glm4v(args).ok().json();
    let stored = read_safetensors(&file, "pixel_values");
    assert_eq!(stored.shape, [22 * 32, 3 * 2 * 14 * 14]);
    assert_eq!(stored.grids, [[1, 22, 32]]);
    assert_eq!(
        (json["patches"].as_u64(), json["tokens"].as_u64()),
        (Some(704), Some(176))
    );
    // Levels 0 to 255, normalized with CLIP's mean and deviation.
    assert!(
        stored
            .values
            .iter()
            .all(|value| (-1.8..2.2).contains(value))
    );
}
