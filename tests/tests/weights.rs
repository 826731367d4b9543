//! Checkpoints: a checkpoint that was written is read again, and the errors of hostile files name the file.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use glm4v::config::ModelType;
use glm4v::model::{ComputeMode, Precision};
use glm4v::weights::{Checkpoint, Encoding, WriteOptions, write_checkpoint};
use glm4v::{Device, LoadOptions, Preset, VisionConfig, VisionEncoder, open_image};
use glm4v_tests::{Golden, golden_dir, image_path, load_options, open_device};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tempfile::TempDir;

fn flex() -> Device {
    open_device("flex").unwrap()
}

fn options() -> LoadOptions {
    load_options("flex").unwrap()
}

fn write(dir: &Path, encoding: Encoding, seed: u64) {
    let options = WriteOptions {
        model_type: ModelType::Glm4v,
        vision: &Preset::Tiny.vision(),
        image_processor: &Preset::Tiny.image_processor(),
        video_processor: &Preset::Tiny.video_processor(),
        seed,
        encoding,
    };
    write_checkpoint(dir, &options).unwrap();
}

fn embeddings(encoder: &VisionEncoder) -> Vec<f32> {
    let image = open_image(image_path("rgb-90x62.png"), &Default::default()).unwrap();
    let embeddings = encoder.encode_images(&[image]).unwrap();
    embeddings.into_values().unwrap()
}

/// A copy of the f32 golden's checkpoint whose tensors `change` may alter.
fn altered(change: impl FnOnce(&mut HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>)) -> TempDir {
    let golden = golden_dir().join("patch14-f32");
    let dir = TempDir::new().unwrap();
    for name in ["config.json", "preprocessor_config.json"] {
        fs::copy(golden.join(name), dir.path().join(name)).unwrap();
    }
    let bytes = fs::read(golden.join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = tensors
        .iter()
        .map(|(key, view)| {
            (
                key.to_owned(),
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(key, (dtype, shape, data))| {
        (
            key.clone(),
            TensorView::new(*dtype, shape.clone(), data).unwrap(),
        )
    });
    safetensors::serialize_to_file(views, None, &dir.path().join("model.safetensors")).unwrap();
    dir
}

/// The error for a directory. Asserts that it names `file`.
fn refused(dir: &Path, file: &str) -> String {
    let message = VisionEncoder::load(dir, &options())
        .unwrap_err()
        .to_string();
    assert!(message.contains(file), "{message} does not name {file}");
    message
}

#[test]
fn a_written_checkpoint_is_read_again() {
    let dir = TempDir::new().unwrap();
    let checkpoint = dir.path().join("new/tiny");
    write(&checkpoint, Encoding::F32, 3);
    let read = VisionEncoder::load(&checkpoint, &options()).unwrap();
    let made = VisionEncoder::random(Preset::Tiny, 3, &options()).unwrap();
    assert_eq!(embeddings(&read), embeddings(&made));
    let other = VisionEncoder::random(Preset::Tiny, 4, &options()).unwrap();
    assert_ne!(embeddings(&read), embeddings(&other));
}

#[test]
fn the_report_counts_the_tensors() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tiny");
    write(&path, Encoding::Bf16, 0);
    let config = VisionConfig::from_file(path.join("config.json")).unwrap();
    let (_, report) = Checkpoint::open(&path)
        .unwrap()
        .load(&config, &flex(), ComputeMode::Cpu(Precision::F32))
        .unwrap();
    assert!(report.is_complete());
    assert_eq!((report.tensors, report.files.len()), (20, 2));
    assert_eq!(report.parameters, config.num_parameters());
    assert_eq!(
        report.bytes,
        [(Encoding::Bf16, 2 * config.num_parameters())].into()
    );
    assert_eq!(report.prefix, "model.visual.");
}

#[test]
fn a_checkpoint_is_not_written_over_another() {
    let dir = TempDir::new().unwrap();
    let options = WriteOptions {
        model_type: ModelType::Glm4v,
        vision: &Preset::Tiny.vision(),
        image_processor: &Preset::Tiny.image_processor(),
        video_processor: &Preset::Tiny.video_processor(),
        seed: 0,
        encoding: Encoding::F32,
    };
    let error = write_checkpoint(dir.path(), &options)
        .unwrap_err()
        .to_string();
    assert!(error.contains("exists already"), "{error}");
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[test]
fn language_tensors_are_counted_and_not_read() {
    let goldens = Golden::all().unwrap();
    let golden = goldens
        .iter()
        .find(|golden| golden.name == "patch14-bf16-sharded")
        .unwrap();
    let config = VisionConfig::from_file(golden.checkpoint.join("config.json")).unwrap();
    let report = Checkpoint::open(&golden.checkpoint)
        .unwrap()
        .inspect(&config);
    assert!(report.is_complete());
    assert_eq!(report.other_tensors, 4);
}

#[test]
fn a_tower_without_prefix_is_read() {
    let dir = altered(|tensors| {
        *tensors = tensors
            .drain()
            .map(|(key, tensor)| (key.trim_start_matches("model.visual.").to_owned(), tensor))
            .collect();
    });
    VisionEncoder::load(dir.path(), &options()).unwrap();
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let key = "model.visual.blocks.1.norm2.weight";
    let dir = altered(|tensors| drop(tensors.remove(key)));
    assert!(refused(dir.path(), key).contains("is missing"));

    let dir = altered(|tensors| tensors.get_mut(key).unwrap().1 = vec![8, 8]);
    assert!(refused(dir.path(), key).contains("expected shape [64], found [8, 8]"));

    let dir = altered(|tensors| tensors.get_mut(key).unwrap().0 = Dtype::I32);
    assert!(refused(dir.path(), key).contains("expected F32, F16 or BF16, found I32"));

    let extra = "model.visual.blocks.9.norm1.weight";
    let dir = altered(|tensors| {
        let tensor = tensors[key].clone();
        tensors.insert(extra.into(), tensor);
    });
    assert!(refused(dir.path(), extra).contains("left over"));

    let dir = altered(|tensors| tensors.retain(|key, _| !key.contains("visual")));
    assert!(refused(dir.path(), "model.visual.").contains("no vision tower"));
}

/// The f32 golden's directory with `model.safetensors` replaced by `bytes`.
fn with_weights(bytes: &[u8]) -> TempDir {
    let dir = altered(|_| ());
    fs::write(dir.path().join("model.safetensors"), bytes).unwrap();
    dir
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn damaged_and_hostile_files_are_refused() {
    let whole = fs::read(golden_dir().join("patch14-f32/model.safetensors")).unwrap();
    let key = "model.visual.merger.proj.weight";
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"{key}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    let overlapping = r#"{"model.visual.blocks.0.norm1.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
        "model.visual.blocks.0.norm2.weight":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    let huge = (u64::MAX / 2).to_le_bytes();
    for (what, bytes) in [
        ("cut off", &whole[..whole.len() - 1]),
        ("cut off in the header", &whole[..40]),
        ("empty", &[][..]),
        ("a header past the end", &huge[..]),
        ("no JSON", &file("{", &[])),
        ("overlapping offsets", &file(overlapping, &[0; 12])),
        (
            "a wrong size",
            &file(&tensor("F32", "[3]", "[0,8]"), &[0; 8]),
        ),
        (
            "a product that overflows",
            &file(
                &tensor("F32", "[4294967296,4294967296,4294967296]", "[0,8]"),
                &[0; 8],
            ),
        ),
        (
            "offsets backwards",
            &file(&tensor("F32", "[2]", "[8,0]"), &[0; 8]),
        ),
        (
            "an unknown type",
            &file(&tensor("F99", "[2]", "[0,8]"), &[0; 8]),
        ),
    ] {
        let dir = with_weights(bytes);
        let message = refused(dir.path(), "model.safetensors");
        assert!(
            message.contains("not a valid safetensors file"),
            "{what}: {message}"
        );
    }
}

/// The sharded golden's directory with its index replaced by `index`.
fn with_index(index: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    for entry in golden_dir()
        .join("patch14-bf16-sharded")
        .read_dir()
        .unwrap()
    {
        let path: PathBuf = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    fs::write(dir.path().join("model.safetensors.index.json"), index).unwrap();
    dir
}

#[test]
fn a_wrong_index_is_refused() {
    let index =
        fs::read_to_string(golden_dir().join("patch14-bf16-sharded/model.safetensors.index.json"));
    let index = index.unwrap();
    let name = "model.safetensors.index.json";
    refused(with_index("{").path(), name);
    refused(with_index("{}").path(), name);
    let message = refused(
        with_index(&index.replace("model-00002", "../model-00002")).path(),
        name,
    );
    assert!(message.contains("beside the index"), "{message}");
    refused(
        with_index(&index.replace("model-00002", "model-00009")).path(),
        "model-00009",
    );
    // A shard without a tensor that the index lists.
    let message = refused(
        with_index(&index.replace("blocks.0.norm1", "blocks.7.norm1")).path(),
        "blocks.7.norm1",
    );
    assert!(message.contains("is missing"), "{message}");
}

/// Only the shards with vision tensors are opened. The others may be missing.
#[test]
fn shards_of_the_language_model_are_not_opened() {
    let index = golden_dir().join("patch14-bf16-sharded/model.safetensors.index.json");
    let index = fs::read_to_string(index).unwrap();
    let more = r#""weight_map": {"model.language_model.layers.1.norm.weight": "model-00099-of-00099.safetensors","#;
    let dir = with_index(&index.replacen(r#""weight_map": {"#, more, 1));
    let config = VisionConfig::from_file(dir.path().join("config.json")).unwrap();
    let report = Checkpoint::open(dir.path()).unwrap().inspect(&config);
    assert!(report.is_complete());
    assert_eq!(report.other_tensors, 5);
}

#[test]
fn a_tensor_in_two_shards_is_refused() {
    let index = golden_dir().join("patch14-bf16-sharded/model.safetensors.index.json");
    let dir = with_index(&fs::read_to_string(index).unwrap());
    let shard = |number: u32| {
        dir.path()
            .join(format!("model-0000{number}-of-00003.safetensors"))
    };
    let both = [1, 2].map(|number| fs::read(shard(number)).unwrap());
    let both = both
        .each_ref()
        .map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    let tensors = both
        .iter()
        .flat_map(SafeTensors::iter)
        .collect::<HashMap<_, _>>();
    safetensors::serialize_to_file(tensors, None, &shard(2)).unwrap();
    assert!(refused(dir.path(), "model-00002").contains("model-00001"));
}

/// transformers looks for the single file first, too.
#[test]
fn a_single_file_is_preferred_to_an_index() {
    let dir = altered(|_| ());
    fs::write(dir.path().join("model.safetensors.index.json"), "{").unwrap();
    VisionEncoder::load(dir.path(), &options()).unwrap();
}

#[test]
fn directories_without_weights_are_refused() {
    let dir = altered(|_| ());
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    assert!(refused(dir.path(), "model.safetensors.index.json").contains("found neither"));
    fs::remove_file(dir.path().join("preprocessor_config.json")).unwrap();
    refused(dir.path(), "preprocessor_config.json");
    refused(Path::new("no/such/directory"), "no/such/directory");
}
