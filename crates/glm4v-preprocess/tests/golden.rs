//! Against transformers' own answers, made by `tests/golden/reference.py`.

use std::fs;
use std::path::PathBuf;

use glm4v_config::{GridThw, ImageProcessorConfig};
use glm4v_preprocess::{
    DecodeOptions, ImageProcessor, Patches, PreprocessError, open_image, smart_resize,
};
use safetensors::SafeTensors;
use serde_json::Value;

fn tests_folder() -> PathBuf {
    std::path::absolute("../../tests").unwrap()
}

fn json(name: &str) -> Value {
    let text = fs::read_to_string(tests_folder().join("golden").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn patches(config: ImageProcessorConfig, images: &[&str]) -> Result<Patches, PreprocessError> {
    let image = |name: &&str| {
        open_image(
            tests_folder().join("images").join(name),
            &DecodeOptions::default(),
        )
    };
    let images = images.iter().map(image).collect::<Result<Vec<_>, _>>()?;
    ImageProcessor::new(config).preprocess(&images)
}

/// Whether the images decode to the reference's pixels: JPEG needs libjpeg.
fn comparable(images: &[&str]) -> bool {
    cfg!(feature = "libjpeg") || !images.iter().any(|image| image.ends_with(".jpg"))
}

fn config(options: &Value) -> ImageProcessorConfig {
    ImageProcessorConfig::from_json(&options.to_string()).unwrap()
}

/// The levels themselves, before rescaling and normalizing.
fn levels(options: &Value) -> ImageProcessorConfig {
    ImageProcessorConfig {
        do_rescale: false,
        do_normalize: false,
        ..config(options)
    }
}

/// The difference between our answer and the reference's, for one case.
fn fault(case: &Value, options: &Value) -> Option<String> {
    let image = case["image"].as_str().unwrap();
    let raw = match patches(levels(options), &[image]) {
        Ok(_) if case.get("error").is_some() => return Some("not refused".into()),
        Ok(raw) => raw,
        Err(_) if case.get("error").is_some() => return None,
        Err(error) => return Some(error.to_string()),
    };
    let grid: GridThw = serde_json::from_value(case["grid_thw"].clone()).unwrap();
    if raw.grids() != [grid] {
        return Some(format!("grid {}, expected {grid}", raw.grids()[0]));
    }
    let bytes: Vec<u8> = raw
        .pixel_values()
        .iter()
        .map(|&level| level as u8)
        .collect();
    if case["crc32_u8"] != crc32fast::hash(&bytes) {
        return Some("other levels".into());
    }
    let values = patches(config(options), &[image]).unwrap();
    let bytes: Vec<u8> = values
        .pixel_values()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    (case["crc32_f32"] != crc32fast::hash(&bytes)).then(|| "other values".into())
}

#[test]
fn every_image_gives_the_references_rows_bit_for_bit() {
    let golden = json("preprocess.json");
    let cases = golden["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    let faults: Vec<String> = cases
        .iter()
        .filter(|case| case.get("differs").is_none())
        .filter(|case| comparable(&[case["image"].as_str().unwrap()]))
        .filter_map(|case| {
            let options = case["options"].as_str().unwrap();
            let fault = fault(case, &golden["options"][options])?;
            Some(format!("{} ({options}): {fault}", case["image"]))
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn smart_resize_answers_as_the_reference() {
    for row in json("smart_resize.json")["rows"].as_array().unwrap() {
        let row: [usize; 9] = serde_json::from_value(row.clone()).unwrap();
        let [frames, height, width, temporal, factor, min, max, h, w] = row;
        match smart_resize(frames, height, width, temporal, factor, min, max) {
            Ok(size) => assert_eq!(size, (h, w), "{row:?}"),
            Err(PreprocessError::AspectRatio { .. }) => assert_eq!((0, 0), (h, w), "{row:?}"),
            Err(error) => panic!("{row:?}: {error}"),
        }
    }
}

#[test]
fn batches_of_many_sizes_are_packed_as_the_reference_packs_them() {
    let mut batches = 0;
    for folder in fs::read_dir(tests_folder().join("golden")).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(inputs) = fs::read_to_string(folder.join("inputs.json")) else {
            continue;
        };
        // Batches with videos are compared by the parity harness.
        let Ok(images) = serde_json::from_str::<Vec<String>>(&inputs) else {
            continue;
        };
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        batches += 1;
        if !comparable(&images) {
            continue;
        }
        let config =
            ImageProcessorConfig::from_file(folder.join("preprocessor_config.json")).unwrap();
        let bytes = fs::read(folder.join("expected.safetensors")).unwrap();
        let expected = SafeTensors::deserialize(&bytes).unwrap();

        let patches = patches(config, &images).unwrap();
        let values: Vec<u8> = patches
            .pixel_values()
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let grids: Vec<u8> = patches
            .grids()
            .iter()
            .flat_map(|grid| [grid.t, grid.h, grid.w])
            .flat_map(|count| (count as i64).to_le_bytes())
            .collect();
        let tensor = |name| expected.tensor(name).unwrap();
        assert_eq!(tensor("grid_thw").data(), grids, "{}", folder.display());
        assert_eq!(
            tensor("pixel_values").shape(),
            patches.pixel_values().shape()
        );
        assert!(
            tensor("pixel_values").data() == values,
            "{}",
            folder.display()
        );
    }
    assert!(batches > 0);
}
