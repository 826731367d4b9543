//! Every model of the family through a GGUF file: the embeddings are those of the safetensors checkpoint.

use std::fs::File;
use std::path::{Path, PathBuf};

use glm4v::config::TokenLimits;
use glm4v::weights::{Encoding, LocalModel, ProcessorSource};
use glm4v::{LoadOptions, Preset, VisionEncoder, open_image};
use glm4v_tests::{GGUF_GOLDENS, export_gguf, golden_dir, image_path, load_options};

fn options(processor: Option<ProcessorSource>) -> LoadOptions {
    LoadOptions {
        processor,
        ..load_options("flex").unwrap()
    }
}

fn export(golden: &str, dir: &Path, encoding: Encoding) -> PathBuf {
    export_gguf(golden, dir, encoding).unwrap()
}

fn bits(encoder: &VisionEncoder) -> Vec<u32> {
    let image = open_image(image_path("rgb-90x62.png"), &Default::default()).unwrap();
    let embeddings = encoder.encode_images(&[image]).unwrap();
    let values = embeddings.into_values().unwrap();
    assert!(values.iter().all(|value| value.is_finite()));
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn embeddings_of_a_file_in_f32_are_those_of_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    for golden in GGUF_GOLDENS {
        let source = golden_dir().join(golden);
        let file = export(golden, dir.path(), Encoding::F32);
        let expected = VisionEncoder::load(&source, &options(None)).unwrap();
        let processor = ProcessorSource::Directory(source);
        let found = VisionEncoder::load(&file, &options(Some(processor))).unwrap();
        assert_eq!(bits(&found), bits(&expected), "{golden}");
    }
}

/// The values of the blocks, written as f32, make the same tower.
#[test]
fn embeddings_of_blocks_are_those_of_their_values() {
    let dir = tempfile::tempdir().unwrap();
    for golden in GGUF_GOLDENS {
        for encoding in [Encoding::Q8_0, Encoding::Bf16] {
            let file = export(golden, dir.path(), encoding);
            let model = LocalModel::open(&file, None).unwrap();
            let (config, processor) = (model.config().unwrap(), model.processor().unwrap());
            let exact = dir.path().join("exact.gguf");
            let written = File::create(&exact).unwrap();
            model
                .checkpoint()
                .unwrap()
                .write_gguf(&config, processor.config(), Encoding::F32, written)
                .unwrap();
            let [expected, found] = [&exact, &file]
                .map(|path| bits(&VisionEncoder::load(path, &options(None)).unwrap()));
            assert_eq!(found, expected, "{golden}, {encoding}");
        }
    }
}

#[test]
fn the_preset_decides_what_the_file_leaves_open() {
    let dir = tempfile::tempdir().unwrap();
    let file = export("glm46v-moe", dir.path(), Encoding::F16);
    let limits = |processor| {
        let model = LocalModel::open(&file, processor).unwrap();
        let sampling = model
            .processor()
            .unwrap()
            .video()
            .unwrap()
            .config()
            .sampling
            .clone();
        (model.assumed_preset(), sampling)
    };
    let named = ProcessorSource::Preset(Preset::Glm46VFlash);
    let assumed = (
        Some(Preset::Glm41V9B),
        Preset::Glm41V9B.video_processor().sampling,
    );
    assert_eq!(limits(None), assumed);
    let expected = (None, Preset::Glm46VFlash.video_processor().sampling);
    assert_eq!(limits(Some(named)), expected);
}

#[test]
fn limits_of_glm5_come_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = export("glm5-next", dir.path(), Encoding::F32);
    let tokens = |path: &Path| -> Option<TokenLimits> {
        let model = LocalModel::open(path, None).unwrap();
        model.processor().unwrap().config().tokens
    };
    assert_eq!(tokens(&file), tokens(&golden_dir().join("glm5-next")));
}

#[test]
fn damaged_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = export("glm-ocr", dir.path(), Encoding::F32);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
    let message = VisionEncoder::load(&file, &options(None))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("glm-ocr-f32.gguf") && message.contains("download"),
        "{message}"
    );
}
