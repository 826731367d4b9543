use std::fs;

use burn::tensor::{Device, FloatDType};
use glm4v_config::{
    ImageProcessorConfig, ModelType, Parameter, ProcessorClass, VideoProcessorConfig,
    VisionModelType,
};
use glm4v_gguf::stored_as;
use glm4v_model::{ComputeMode, Precision, VisionModel};
use tempfile::TempDir;

use super::*;
use crate::loader::tests::outputs;
use crate::{Checkpoint, Loader, WriteOptions, random, write_checkpoint};

const SEED: u64 = 9;
const MODES: [ComputeMode; 3] = [
    ComputeMode::Cpu(Precision::F32),
    ComputeMode::Cpu(Precision::Bf16),
    ComputeMode::Device(FloatDType::F32),
];

fn glm4v() -> VisionConfig {
    VisionConfig {
        depth: 2,
        hidden_size: 64,
        num_heads: 4,
        image_size: 16,
        patch_size: 4,
        out_hidden_size: 96,
        intermediate_size: 80,
        ..VisionConfig::default()
    }
}

fn family() -> [(ModelType, VisionConfig); 3] {
    let ocr = VisionConfig {
        model_type: VisionModelType::GlmOcrVision,
        attention_bias: true,
        ..glm4v()
    };
    let glm5 = VisionConfig {
        model_type: VisionModelType::Glm5NextVision,
        projection_intermediate_size: Some(160),
        swiglu_limit: Some(0.5),
        ..ocr.clone()
    };
    [
        (ModelType::Glm4v, glm4v()),
        (ModelType::GlmOcr, ocr),
        (ModelType::Glm5Next, glm5),
    ]
}

fn processor(model: ModelType) -> ImageProcessorConfig {
    ImageProcessorConfig::default_of(ProcessorClass::from(model))
}

/// A directory with a random checkpoint, and the checkpoint.
fn checkpoint(model_type: ModelType, config: &VisionConfig) -> (TempDir, Checkpoint) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    let options = WriteOptions {
        model_type,
        vision: config,
        image_processor: &processor(model_type),
        video_processor: &VideoProcessorConfig::default(),
        seed: SEED,
        encoding: Encoding::F32,
    };
    write_checkpoint(&path, &options).unwrap();
    let checkpoint = Checkpoint::open(path).unwrap();
    (dir, checkpoint)
}

/// The checkpoint as a GGUF file in `dir`.
fn gguf(dir: &Path, model: ModelType, config: &VisionConfig, encoding: Encoding) -> Checkpoint {
    let path = dir.join(format!("{encoding}.gguf"));
    let source = Checkpoint::open(dir.join("model")).unwrap();
    let file = File::create(&path).unwrap();
    source
        .write_gguf(config, &processor(model), encoding, file)
        .unwrap();
    Checkpoint::open(&path).unwrap()
}

fn load(checkpoint: &Checkpoint, config: &VisionConfig, mode: ComputeMode) -> VisionModel {
    checkpoint.load(config, &Device::flex(), mode).unwrap().0
}

/// The tower of the random values, each stored in the format that a file of `encoding` has for it.
fn rounded(config: &VisionConfig, encoding: Encoding, mode: ComputeMode) -> VisionModel {
    let mut loader = Loader::new(config, &Device::flex(), mode).unwrap();
    let tensors = Mmproj::tensors(config, format(encoding));
    let format_of = |parameter: &Parameter| {
        let name = &stored_as(parameter)[0].name;
        tensors
            .iter()
            .find(|tensor| tensor.name == *name)
            .unwrap()
            .format
    };
    for parameter in config.parameters() {
        let mut values: Vec<f32> = random::values(&parameter, SEED).collect();
        let (format, mut blocks) = (format_of(&parameter), Vec::new());
        format.encode(&values, &mut blocks);
        assert_eq!(format.decode(&blocks, &mut values), values.len());
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        loader.write(&parameter.key, Encoding::F32, &bytes).unwrap();
    }
    loader.finish().unwrap()
}

#[test]
fn a_file_in_f32_is_the_checkpoint() {
    for (model, config) in family() {
        let (dir, source) = checkpoint(model, &config);
        let file = gguf(dir.path(), model, &config, Encoding::F32);
        let mmproj = file.mmproj().unwrap();
        assert_eq!(mmproj.config, config);
        assert_eq!(mmproj.image_std, processor(model).image_std);
        assert_eq!(mmproj.tokens, processor(model).tokens);
        assert!(source.mmproj().is_none());
        for mode in MODES {
            let [expected, found] =
                [&source, &file].map(|checkpoint| outputs(&load(checkpoint, &config, mode)));
            assert_eq!(found, expected, "{model:?}, {mode:?}");
        }
    }
}

#[test]
fn other_types_are_the_tower_of_their_values() {
    for (model, config) in family() {
        let (dir, _) = checkpoint(model, &config);
        for encoding in [Encoding::F16, Encoding::Bf16, Encoding::Q8_0] {
            let file = gguf(dir.path(), model, &config, encoding);
            let inspection = file.inspect(&config);
            assert!(inspection.is_complete(), "{inspection:?}");
            assert_eq!(inspection.parameters, config.num_parameters());
            assert_eq!(inspection.tensors, config.parameters().len() + 1);
            assert!(inspection.bytes[&encoding] > 0 && inspection.bytes[&Encoding::F32] > 0);
            for mode in MODES {
                let expected = outputs(&rounded(&config, encoding, mode));
                let found = outputs(&load(&file, &config, mode));
                assert_eq!(found, expected, "{model:?}, {encoding}, {mode:?}");
            }
        }
    }
}

/// A width of 80 is not a multiple of 32.
#[test]
fn rows_that_are_not_whole_blocks_are_f16() {
    let (dir, _) = checkpoint(ModelType::Glm4v, &glm4v());
    let file = gguf(dir.path(), ModelType::Glm4v, &glm4v(), Encoding::Q8_0);
    let bytes = file.inspect(&glm4v()).bytes;
    assert_eq!(bytes[&Encoding::F16], 2 * 96 * 80);
}

#[test]
fn a_tower_alone_is_written_from_either_kind() {
    for (model, config) in family() {
        let (dir, source) = checkpoint(model, &config);
        let file = gguf(dir.path(), model, &config, Encoding::Q8_0);
        for checkpoint in [&source, &file] {
            let path = dir.path().join("model.safetensors");
            let written = File::create(&path).unwrap();
            checkpoint
                .write_safetensors(&config, Encoding::F32, written)
                .unwrap();
            let written = Checkpoint::open(&path).unwrap();
            assert_eq!(written.inspect(&config).prefix, "model.visual.");
            let [expected, found] = [checkpoint, &written]
                .map(|checkpoint| outputs(&load(checkpoint, &config, MODES[0])));
            assert_eq!(found, expected, "{model:?}");
        }
    }
}

#[test]
fn safetensors_files_have_no_blocks() {
    let (dir, source) = checkpoint(ModelType::Glm4v, &glm4v());
    let error = source.write_safetensors(&glm4v(), Encoding::Q8_0, Vec::new());
    let message = error.unwrap_err().to_string();
    assert!(message.contains("cannot store q8_0"), "{message}");
    let options = WriteOptions {
        model_type: ModelType::Glm4v,
        vision: &glm4v(),
        image_processor: &ImageProcessorConfig::default(),
        video_processor: &VideoProcessorConfig::default(),
        seed: 0,
        encoding: Encoding::Q8_0,
    };
    let new = dir.path().join("new");
    let message = write_checkpoint(&new, &options).unwrap_err().to_string();
    assert!(
        message.contains("cannot store q8_0") && !new.exists(),
        "{message}"
    );
}

/// The file of a parameter, and the position of its first byte.
fn place_of(checkpoint: &Checkpoint, key: &str) -> (PathBuf, usize) {
    let parameters = checkpoint.parameters(&glm4v()).unwrap();
    let mut parameters = parameters.iter();
    let stored = parameters
        .find(|stored| stored.parameter.key == key)
        .unwrap();
    let extent = &stored.extents[0];
    (extent.file.path.clone(), extent.start as usize)
}

#[test]
fn values_that_blocks_cannot_store_are_named() {
    let (dir, _) = checkpoint(ModelType::Glm4v, &glm4v());
    let model = dir.path().join("model");
    let (file, start) = place_of(&Checkpoint::open(&model).unwrap(), "merger.proj.weight");
    let mut bytes = fs::read(&file).unwrap();
    bytes[start..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    let source = Checkpoint::open(&model).unwrap();
    let write = |encoding| {
        source.write_gguf(
            &glm4v(),
            &ImageProcessorConfig::default(),
            encoding,
            Vec::new(),
        )
    };
    let message = write(Encoding::Q8_0).unwrap_err().to_string();
    assert!(message.contains("`merger.proj.weight`"), "{message}");
    write(Encoding::F16).unwrap();
}

#[test]
fn a_directory_may_have_one_file_and_no_configuration() {
    let (dir, _) = checkpoint(ModelType::Glm4v, &glm4v());
    let _ = gguf(dir.path(), ModelType::Glm4v, &glm4v(), Encoding::F16);
    let file = dir.path().join("f16.gguf");
    assert_eq!(gguf_file(dir.path()).unwrap(), Some(file.clone()));
    assert_eq!(gguf_file(&file).unwrap(), Some(file.clone()));
    assert_eq!(gguf_file(dir.path().join("model")).unwrap(), None);
    assert_eq!(gguf_file(dir.path().join("none")).unwrap(), None);
    assert!(Checkpoint::open(dir.path()).unwrap().mmproj().is_some());
    // The content decides where the name does not.
    let renamed = dir.path().join("file.bin");
    fs::copy(&file, &renamed).unwrap();
    assert!(Checkpoint::open(&renamed).unwrap().mmproj().is_some());
    fs::copy(&file, dir.path().join("other.GGUF")).unwrap();
    let message = Checkpoint::open(dir.path()).unwrap_err().to_string();
    assert!(message.contains("2 .gguf files"), "{message}");
    fs::write(dir.path().join("config.json"), "{}").unwrap();
    assert_eq!(gguf_file(dir.path()).unwrap(), None);
}

#[test]
fn errors_name_the_file() {
    let (dir, _) = checkpoint(ModelType::Glm4v, &glm4v());
    let _ = gguf(dir.path(), ModelType::Glm4v, &glm4v(), Encoding::F16);
    let file = dir.path().join("f16.gguf");
    let bytes = fs::read(&file).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let message = Checkpoint::open(&file).unwrap_err().to_string();
        assert!(
            message.starts_with(&file.display().to_string()),
            "{message}"
        );
        message
    };
    assert!(refused(&bytes[..bytes.len() / 2]).contains("past the end of the file"));
    assert!(refused(b"").contains("the first word"));
    assert!(refused(b"no such thing").contains("letters GGUF"));
    assert!(refused(b"version https://git-lfs.github.com/spec/v1").contains("Git LFS pointer"));
    fs::write(&file, &bytes).unwrap();
    let checkpoint = Checkpoint::open(&file).unwrap();
    let config = VisionConfig {
        depth: 3,
        ..glm4v()
    };
    let error = checkpoint
        .load(&config, &Device::flex(), MODES[0])
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("`v.blk.2.ln1.weight` is missing (7"),
        "{message}"
    );
}
