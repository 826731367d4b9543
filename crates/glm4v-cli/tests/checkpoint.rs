//! `glm4v init` and `glm4v inspect`, and encoding with what they wrote.

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{entries, glm4v, image, read_safetensors};
use tempfile::TempDir;

/// A directory with the checkpoint `model` of seed 5 in it.
fn init(dtype: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    let options = [
        "init", "--preset", "tiny", "--seed", "5", "--dtype", dtype, "-o",
    ];
    let run = glm4v(
        options
            .map(AsRef::as_ref)
            .into_iter()
            .chain([model.as_os_str()]),
    )
    .ok();
    assert!(
        run.stdout.contains("1175936 (1.2 million)"),
        "{}",
        run.stdout
    );
    (dir, model)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Replaces `from` in a file of the checkpoint.
fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn a_written_checkpoint_encodes_as_its_preset_does() {
    let (dir, model) = init("f32");
    let outputs = ["a", "b"].map(|name| dir.path().join(name).with_extension("safetensors"));
    let photo = image("chelsea.png");
    let encode = |weights: &[&str], output: &Path| {
        let args = ["encode", path(&photo), "-o", path(output)];
        glm4v([&args, weights].concat()).ok()
    };
    let run = encode(&["-m", path(&model)], &outputs[0]);
    assert_eq!(run.stderr, "");
    encode(&["--preset", "tiny", "--seed", "5"], &outputs[1]);
    let [loaded, made] = outputs.map(|file| read_safetensors(&file, "embeddings"));
    assert_eq!(loaded, made);
    assert_eq!(
        entries(dir.path()),
        ["a.safetensors", "b.safetensors", "model"]
    );
}

#[test]
fn inspect_reports_the_whole_tower() {
    let (_dir, model) = init("bf16");
    let text = glm4v(["inspect", path(&model)]).ok().stdout;
    for part in [
        "out_hidden_size",
        "rope_parameters.rope_theta",
        "model.visual.",
        "20 of 20",
        "fps",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = glm4v(["inspect", "--json", path(&model)]).ok().json();
    assert_eq!(json["weights"]["parameters"], 1_175_936);
    assert_eq!(json["weights"]["bytes"]["bf16"], 2 * 1_175_936);
    assert_eq!(json["weights"]["complete"], true);
    assert_eq!(json["vision_config"]["depth"], 1);
    assert_eq!(json["problems"], Value::Array(Vec::new()));
}

#[test]
fn inspect_lists_wrong_tensors_before_it_fails() {
    let (_dir, model) = init("bf16");
    edit(&model.join("config.json"), "\"depth\": 1", "\"depth\": 2");
    edit(
        &model.join("config.json"),
        "\"intermediate_size\": 768",
        "\"intermediate_size\": 769",
    );
    let run = glm4v(["inspect", path(&model)]);
    for part in [
        "7 tensors missing",
        "model.visual.blocks.1.norm1.weight",
        "[769, 256]",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    let error = run.fails();
    assert!(
        error.contains("7 tensors missing, 3 tensors with a wrong shape"),
        "{error}"
    );

    let photo = image("chelsea.png");
    let error = glm4v(["encode", path(&photo), "-m", path(&model)]).fails();
    assert!(error.contains("[769, 256]"), "{error}");
}

#[test]
fn inspect_fails_where_encode_would() {
    let (_dir, model) = init("bf16");
    edit(
        &model.join("preprocessor_config.json"),
        "\"patch_size\": 14",
        "\"patch_size\": 16",
    );
    let error = glm4v(["inspect", path(&model)]).fails();
    assert!(error.contains("patch_size 16"), "{error}");

    std::fs::remove_file(model.join("model.safetensors.index.json")).unwrap();
    std::fs::remove_file(model.join("preprocessor_config.json")).unwrap();
    let run = glm4v(["inspect", "--json", path(&model)]);
    assert_eq!(run.json()["problems"].as_array().unwrap().len(), 2);
    run.fails();
}

#[test]
fn processors_in_one_file_are_read() {
    let (_dir, model) = init("bf16");
    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(model.join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let mut images = read("preprocessor_config.json");
    let mut videos = read("video_preprocessor_config.json");
    images["size"]["longest_edge"] = Value::from(4 * 1568);
    images["size"]["shortest_edge"] = Value::from(1);
    videos["fps"] = Value::from(1);
    let nested = serde_json::json!({"image_processor": images, "video_processor": videos});
    let nested = nested.to_string();
    std::fs::write(model.join("processor_config.json"), nested).unwrap();
    let plan = || {
        let run = glm4v(["plan", "90x62", "--json", "-m", path(&model)]).ok();
        run.json()["inputs"][0]["tokens"].clone()
    };
    assert_eq!(plan(), 2, "it wins over the older files");
    for name in ["preprocessor_config.json", "video_preprocessor_config.json"] {
        std::fs::remove_file(model.join(name)).unwrap();
    }
    assert_eq!(plan(), 2);
    let json = glm4v(["inspect", "--json", path(&model)]).ok().json();
    assert_eq!(
        json["preprocessor_config"]["size"]["longest_edge"],
        4 * 1568
    );
    assert_eq!(json["video_preprocessor_config"]["fps"], 1.0);
    let photo = image("chelsea.png");
    glm4v(["encode", path(&photo), "-m", path(&model)]).ok();
}

#[test]
fn init_leaves_an_existing_directory_alone() {
    let (dir, model) = init("bf16");
    let before = entries(&model);
    let error = glm4v(["init", "--preset", "small", "-o", path(&model)]).fails();
    assert!(
        error.contains("exists already") && error.contains(path(&model)),
        "{error}"
    );
    assert_eq!(
        (entries(&model), entries(dir.path())),
        (before, vec!["model".to_owned()])
    );
}

#[test]
fn a_truncated_shard_is_named() {
    let (_dir, model) = init("bf16");
    let shard = model.join("model-00002-of-00002.safetensors");
    let bytes = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, &bytes[..bytes.len() - 1]).unwrap();
    let photo = image("chelsea.png");
    let error = glm4v(["encode", path(&photo), "-m", path(&model)]).fails();
    assert!(
        error.contains("model-00002-of-00002.safetensors"),
        "{error}"
    );
}

#[test]
fn values_that_are_not_numbers_are_counted() {
    let (dir, model) = init("f32");
    let shard = model.join("model-00002-of-00002.safetensors");
    let mut bytes = std::fs::read(&shard).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&shard, bytes).unwrap();
    let (photo, output) = (image("rgb-60x83.png"), dir.path().join("out.json"));
    let run = glm4v([
        "encode",
        "--json",
        path(&photo),
        "-m",
        path(&model),
        "-o",
        path(&output),
    ])
    .ok();
    let count = run.json()["non_finite"].as_u64().unwrap();
    assert!(
        count > 0 && run.stderr.contains(&format!("warning: {count} of 3072")),
        "{run:?}"
    );
    let written = std::fs::read_to_string(output).unwrap();
    assert_eq!(written.matches("null").count() as u64, count);
}
