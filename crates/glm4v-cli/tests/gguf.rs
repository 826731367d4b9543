//! `glm4v export`, and every command that reads the files that it writes.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Run, entries, glm4v, image, read_safetensors};
use tempfile::TempDir;

/// A directory with the random checkpoint `model`.
fn init(preset: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    let options = [
        "init", "--seed", "5", "--dtype", "f32", "--preset", preset, "-o",
    ];
    glm4v([&options[..], &[path(&model)]].concat()).ok();
    (dir, model)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn export(model: &Path, output: &Path, stored: &str) -> Run {
    glm4v([
        "export",
        "--json",
        path(model),
        "-o",
        path(output),
        "--type",
        stored,
    ])
}

/// The embeddings of a photo.
fn encode(dir: &Path, weights: &[&str]) -> (Run, support::Stored) {
    let (photo, output) = (image("rgb-90x62.png"), dir.join("out.safetensors"));
    let args = ["encode", path(&photo), "-o", path(&output), "-m"];
    let run = glm4v([&args[..], weights].concat()).ok();
    (run, read_safetensors(&output, "embeddings"))
}

#[test]
fn an_exported_file_encodes_as_its_checkpoint_does() {
    let (dir, model) = init("tiny");
    let file = dir.path().join("mmproj.gguf");
    let json = export(&model, &file, "f32").ok().json();
    assert_eq!(json["tensors"], 21);
    assert_eq!(json["bytes_by_type"]["f32"], 4 * 1_175_936);
    assert_eq!(entries(dir.path()), ["mmproj.gguf", "model"]);
    let (_, expected) = encode(dir.path(), &[path(&model)]);
    let (run, found) = encode(dir.path(), &[path(&file)]);
    assert_eq!(found, expected);
    assert!(
        run.stderr.contains("published settings of glm-4.1v-9b")
            && run.stderr.contains("--processor"),
        "{}",
        run.stderr
    );
    // A directory with this file alone is the same.
    let alone = dir.path().join("alone");
    fs::create_dir(&alone).unwrap();
    fs::rename(&file, alone.join("mmproj.gguf")).unwrap();
    let (run, found) = encode(dir.path(), &[path(&alone), "--processor", path(&model)]);
    assert_eq!(found, expected);
    assert_eq!(run.stderr, "");
}

#[test]
fn an_export_does_not_replace_its_source() {
    let (dir, model) = init("tiny");
    let file = dir.path().join("mmproj.gguf");
    export(&model, &file, "f32").ok();
    let names = entries(&model).into_iter();
    let mut weights = names.filter(|name| name.ends_with(".safetensors"));
    let weights = model.join(weights.next().unwrap());
    for (source, output) in [(&file, &file), (&model, &weights)] {
        let before = fs::read(output).unwrap();
        let error = export(source, output, "bf16").misused();
        assert!(error.contains("is a file of the model"), "{error}");
        assert_eq!(fs::read(output).unwrap(), before);
    }
}

#[test]
fn a_tower_alone_encodes_beside_its_configuration() {
    let (dir, model) = init("tiny");
    let (_, expected) = encode(dir.path(), &[path(&model)]);
    let alone = dir.path().join("alone");
    fs::create_dir(&alone).unwrap();
    export(&model, &alone.join("model.safetensors"), "f32").ok();
    fs::copy(model.join("config.json"), alone.join("config.json")).unwrap();
    let (_, found) = encode(dir.path(), &[path(&alone), "--processor", "tiny"]);
    assert_eq!(found, expected);
}

#[test]
fn every_command_reads_the_file() {
    let (dir, model) = init("tiny");
    let file = dir.path().join("mmproj.gguf");
    export(&model, &file, "q8_0").ok();
    let file = path(&file);
    let json = glm4v(["inspect", "--json", file, "--processor", "glm-4.6v"])
        .ok()
        .json();
    assert_eq!(json["weights"]["complete"], true);
    assert_eq!(json["weights"]["parameters"], 1_175_936);
    // 819,200 values of the matrices, in blocks of 32 values and 34 bytes.
    assert_eq!(json["weights"]["bytes"]["q8_0"], 870_400);
    let rule = &json["video_preprocessor_config"]["video_processor_type"];
    assert_eq!(rule, "Glm46VVideoProcessor");
    let plan = |arguments: &[&str]| {
        let arguments = [&["plan", "900x620", "--json", "-m"], arguments].concat();
        glm4v(arguments).ok().json()["tokens"].clone()
    };
    assert_eq!(plan(&[file]), plan(&[path(&model)]));
    let (photo, output) = (image("rgb-90x62.png"), dir.path().join("out.safetensors"));
    let (photo, output) = (path(&photo), path(&output));
    glm4v(["preprocess", photo, "-m", file, "-o", output]).ok();
    let drawing = dir.path().join("out.png");
    glm4v([
        "viz",
        photo,
        "-m",
        file,
        "--dtype",
        "bf16",
        "-o",
        path(&drawing),
    ])
    .ok();
    // A file can be exported again.
    let again = dir.path().join("again.gguf");
    let json = glm4v([
        "export",
        "-q",
        "--json",
        file,
        "-o",
        path(&again),
        "--type",
        "f16",
    ])
    .ok()
    .json();
    assert_eq!(json["tensors"], 21);
}

#[test]
fn limits_of_glm5_are_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let golden = std::path::absolute("../../tests/golden/glm5-next").unwrap();
    let file = dir.path().join("mmproj.gguf");
    export(&golden, &file, "f32").ok();
    let read = |model: &Path| {
        let json = glm4v(["inspect", "-q", "--json", path(model)]).ok().json();
        json["preprocessor_config"]["max_image_tokens"].clone()
    };
    let expected = read(&golden);
    assert!(expected.is_u64());
    assert_eq!(read(&file), expected);
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let (dir, model) = init("tiny");
    let output = dir.path().join("tower.safetensors");
    let error = export(&model, &output, "q8_0").fails();
    assert!(
        error.contains("cannot store q8_0") && error.contains(".gguf"),
        "{error}"
    );
    let golden = std::path::absolute("../../tests/golden/tps4").unwrap();
    let error = export(&golden, &dir.path().join("x.gguf"), "f32").fails();
    assert!(error.contains("temporal_patch_size is 4"), "{error}");
    assert_eq!(entries(dir.path()), ["model"]);
    let output = dir.path().join("tower.bin");
    let error = export(&model, &output, "f32").misused();
    assert!(error.contains(".gguf or .safetensors"), "{error}");
}

#[test]
fn files_that_are_no_models_are_refused() {
    let (dir, model) = init("tiny");
    let photo = image("rgb-90x62.png");
    let error = glm4v(["encode", path(&photo), "-m", path(&photo)]).fails();
    assert!(error.contains("not a GGUF file"), "{error}");
    let file = dir.path().join("mmproj.gguf");
    export(&model, &file, "f16").ok();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..1000]).unwrap();
    let error = glm4v(["inspect", path(&file)]).fails();
    assert!(
        error.contains("mmproj.gguf: not a valid GGUF file"),
        "{error}"
    );
    let error = glm4v([
        "encode",
        path(&photo),
        "-m",
        path(&file),
        "--processor",
        "x",
    ])
    .misused();
    assert!(error.contains("there is no preset `x`"), "{error}");
}
