use std::path::{Path, PathBuf};

use burn::tensor::{FloatDType, Tensor, TensorData};
use glm4v_config::{
    GridThw, ImageProcessorConfig, ModelType, VideoProcessorConfig, VisionModelType,
};
use glm4v_model::{ForwardOptions, PatchRows, Precision};

use super::*;
use crate::{Checkpoint, WriteOptions, convert, random, write_checkpoint};

const SEED: u64 = 5;
const ENCODINGS: [Encoding; 3] = [Encoding::F32, Encoding::F16, Encoding::Bf16];
const MODES: [ComputeMode; 5] = [
    ComputeMode::Cpu(Precision::F32),
    ComputeMode::Cpu(Precision::Bf16),
    ComputeMode::Cpu(Precision::Int8),
    ComputeMode::Device(FloatDType::F32),
    ComputeMode::Device(FloatDType::F16),
];

fn config() -> VisionConfig {
    VisionConfig {
        depth: 2,
        hidden_size: 24,
        num_heads: 3,
        image_size: 12,
        patch_size: 3,
        temporal_patch_size: 1,
        out_hidden_size: 20,
        intermediate_size: 28,
        ..VisionConfig::default()
    }
}

/// The tower with biases and head norms.
fn ocr_config() -> VisionConfig {
    VisionConfig {
        model_type: VisionModelType::GlmOcrVision,
        attention_bias: true,
        ..config()
    }
}

/// The same with limits, and a merger of another width.
fn glm5_config() -> VisionConfig {
    VisionConfig {
        model_type: VisionModelType::Glm5NextVision,
        projection_intermediate_size: Some(36),
        swiglu_limit: Some(0.5),
        ..ocr_config()
    }
}

/// The key and the bytes of every tensor.
fn tensors(config: &VisionConfig, encoding: Encoding) -> Vec<(String, Vec<u8>)> {
    let parameters = config.parameters().into_iter();
    let tensor = |parameter: glm4v_config::Parameter| {
        let values: Vec<f32> = random::values(&parameter, SEED).collect();
        let bytes = convert::encode(&values, encoding).into_owned();
        (parameter.key, bytes)
    };
    parameters.map(tensor).collect()
}

fn loader(config: &VisionConfig, options: impl Into<LoaderOptions>) -> Loader {
    Loader::new(config, &Device::flex(), options).unwrap()
}

/// The tower of slices of `cut` bytes, with the tensors in the order of `tensors`.
fn streamed(
    config: &VisionConfig,
    options: impl Into<LoaderOptions>,
    tensors: &[(String, Vec<u8>)],
    encoding: Encoding,
    cut: usize,
) -> Vec<f32> {
    let mut loader = loader(config, options);
    for (key, bytes) in tensors {
        for bytes in bytes.chunks(cut) {
            loader.write(key, encoding, bytes).unwrap();
        }
    }
    outputs(&loader.finish().unwrap())
}

/// The embeddings of two small inputs.
pub(crate) fn outputs(model: &VisionModel) -> Vec<f32> {
    let grids = [GridThw::new(1, 4, 6), GridThw::new(2, 2, 4)];
    let rows: usize = grids.iter().map(|grid| grid.num_patches()).sum();
    let width = model.config().patch_dim();
    let values = (0..rows * width).map(|index| ((index * 37) % 101) as f32 / 50.0 - 1.0);
    let data = TensorData::new(values.collect(), [rows, width]);
    let rows = PatchRows::Video(Tensor::from_data(data, &model.device()));
    let output = model.forward(vec![rows], &grids, ForwardOptions::default());
    let embeddings = output.unwrap().embeddings;
    embeddings.into_data().iter().collect()
}

fn assert_near(found: &[f32], expected: &[f32], bound: f32, name: &str) {
    assert_eq!(found.len(), expected.len());
    assert!(expected.iter().all(|value| value.is_finite()), "{name}");
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let difference = differences.fold(0.0, f32::max);
    assert!(difference <= bound, "{name}: {difference}");
}

fn checkpoint(dir: &Path, config: &VisionConfig, encoding: Encoding) -> PathBuf {
    let dir = dir.join(encoding.to_string());
    let options = WriteOptions {
        model_type: ModelType::Glm4v,
        vision: config,
        image_processor: &ImageProcessorConfig::default(),
        video_processor: &VideoProcessorConfig::default(),
        seed: SEED,
        encoding,
    };
    write_checkpoint(&dir, &options).unwrap();
    dir
}

#[test]
fn random_and_streamed_towers_are_equal() {
    for config in [config(), ocr_config(), glm5_config()] {
        let tensors = tensors(&config, Encoding::F32);
        for mode in MODES {
            let expected = outputs(&random(&config, SEED, &Device::flex(), mode).unwrap());
            for cut in [usize::MAX, 1 << 10, 7] {
                let found = streamed(&config, mode, &tensors, Encoding::F32, cut);
                assert_near(
                    &found,
                    &expected,
                    0.0,
                    &format!("{mode:?}, slices of {cut}"),
                );
            }
        }
    }
}

#[test]
fn the_order_of_tensors_changes_nothing() {
    for config in [config(), ocr_config(), glm5_config()] {
        let tensors = tensors(&config, Encoding::Bf16);
        let reversed: Vec<_> = tensors.iter().rev().cloned().collect();
        for mode in MODES {
            let [expected, found] = [&tensors, &reversed]
                .map(|tensors| streamed(&config, mode, tensors, Encoding::Bf16, 1001));
            assert_near(&found, &expected, 0.0, &format!("{mode:?}"));
        }
    }
}

#[test]
fn slices_of_different_tensors_may_alternate() {
    let config = config();
    let tensors = tensors(&config, Encoding::F32);
    for mode in MODES {
        let mut loader = loader(&config, mode);
        let longest = tensors.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
        for start in (0..longest).step_by(1001) {
            for (key, bytes) in &tensors {
                let end = bytes.len().min(start + 1001);
                let slice = &bytes[start.min(end)..end];
                loader.write(key, Encoding::F32, slice).unwrap();
            }
        }
        let found = outputs(&loader.finish().unwrap());
        let expected = outputs(&random(&config, SEED, &Device::flex(), mode).unwrap());
        assert_near(&found, &expected, 0.0, &format!("{mode:?}"));
    }
}

#[test]
fn loaded_and_streamed_towers_are_equal() {
    let (config, dir) = (config(), tempfile::tempdir().unwrap());
    for encoding in ENCODINGS {
        let checkpoint = Checkpoint::open(checkpoint(dir.path(), &config, encoding)).unwrap();
        let tensors = tensors(&config, encoding);
        for mode in MODES {
            let (model, inspection) = checkpoint.load(&config, &Device::flex(), mode).unwrap();
            assert!(inspection.is_complete());
            let bytes = encoding.bytes(config.num_parameters());
            assert_eq!(inspection.bytes, [(encoding, bytes)].into());
            let expected = outputs(&model);
            for cut in [usize::MAX, 3] {
                let found = streamed(&config, mode, &tensors, encoding, cut);
                let name = format!("{encoding}, {mode:?}, slices of {cut}");
                assert_near(&found, &expected, 0.0, &name);
            }
        }
    }
}

#[test]
fn splits_by_rows_change_only_the_rounding() {
    let config = config();
    let tensors = tensors(&config, Encoding::F32);
    for (dtype, bound) in [(FloatDType::F32, 1e-5), (FloatDType::F16, 2e-2)] {
        let mode = ComputeMode::Device(dtype);
        let expected = streamed(&config, mode, &tensors, Encoding::F32, usize::MAX);
        for (max_split_bytes, cut) in [(500, 1001), (1, 3), (3000, usize::MAX)] {
            let options = LoaderOptions {
                mode,
                max_split_bytes,
            };
            let found = streamed(&config, options, &tensors, Encoding::F32, cut);
            let name = format!("{mode:?}, splits of {max_split_bytes}");
            assert_near(&found, &expected, bound, &name);
        }
    }
}

#[test]
fn gate_and_up_may_have_different_encodings() {
    let config = config();
    let tensors = tensors(&config, Encoding::F32);
    // Exact in every encoding
    let [gate, up] = [3, 5].map(|factor| {
        let values = (0..20 * 24).map(|index| ((index * factor) % 17) as f32 / 32.0 - 0.25);
        values.collect::<Vec<_>>()
    });
    for mode in MODES {
        let output = |gate_encoding, up_encoding| {
            let mut loader = loader(&config, mode);
            for (key, bytes) in &tensors {
                let (encoding, bytes) = match &key[..] {
                    "blocks.0.mlp.gate_proj.weight" => {
                        (gate_encoding, convert::encode(&gate, gate_encoding))
                    }
                    "blocks.0.mlp.up_proj.weight" => {
                        (up_encoding, convert::encode(&up, up_encoding))
                    }
                    _ => (Encoding::F32, bytes.into()),
                };
                loader.write(key, encoding, &bytes).unwrap();
            }
            outputs(&loader.finish().unwrap())
        };
        let expected = output(Encoding::F32, Encoding::F32);
        for gate in ENCODINGS {
            for up in ENCODINGS {
                let found = output(gate, up);
                assert_near(&found, &expected, 0.0, &format!("{mode:?}, {gate}, {up}"));
            }
        }
    }
}

#[test]
fn too_few_and_too_many_bytes_are_refused() {
    for mode in MODES {
        let error = loader(&config(), mode).finish().unwrap_err().to_string();
        assert!(
            error.contains("expected") && error.contains("found 0"),
            "{error}"
        );

        let mut long = loader(&config(), mode);
        let key = "post_layernorm.weight";
        long.write(key, Encoding::Bf16, &[0; 48]).unwrap();
        long.write(key, Encoding::Bf16, &[]).unwrap();
        let error = long.write(key, Encoding::Bf16, &[0; 2]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tensor `post_layernorm.weight`: expected 48 bytes, found 50"
        );

        let mut short = loader(&config(), mode);
        for (key, bytes) in tensors(&config(), Encoding::F32) {
            let bytes = &bytes[..bytes.len() - usize::from(key == "merger.proj.weight")];
            short.write(&key, Encoding::F32, bytes).unwrap();
        }
        assert_eq!(
            short.finish().unwrap_err().to_string(),
            "tensor `merger.proj.weight`: expected 1600 bytes, found 1599"
        );

        let error = loader(&config(), mode)
            .write("blocks.2.x", Encoding::F32, &[0; 4])
            .unwrap_err();
        assert!(matches!(
            error,
            WeightsError::Length {
                expected: 0,
                found: 4,
                ..
            }
        ));
    }
}

#[test]
fn text_in_the_place_of_weights_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let shard = dir.path().join("model.safetensors");
    let index = dir.path().join("model.safetensors.index.json");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4972489328\n";
    for file in [&index, &shard] {
        for (text, expected) in [
            (pointer, "this is a Git LFS pointer"),
            ("<!doctype html><html></html>", "this is a web page"),
        ] {
            std::fs::write(file, text).unwrap();
            let message = Checkpoint::open(dir.path()).unwrap_err().to_string();
            let expected = format!("{}: {expected}", file.display());
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}
