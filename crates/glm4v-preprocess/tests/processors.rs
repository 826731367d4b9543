//! Every image processor of the family against transformers' own answers, made by `tests/golden/processor_cases.py` and
//! `tests/golden/budget_cases.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use glm4v_config::{
    GridThw, ImageProcessorConfig, ProcessorClass, ProcessorFiles, SizeBudget, VideoProcessorConfig,
};
use glm4v_preprocess::{
    DecodeOptions, ImageProcessor, Patches, PreprocessError, Processor, Source, open_image,
};
use image::DynamicImage;
use serde::Deserialize;

fn tests_folder() -> PathBuf {
    std::path::absolute("../../tests").unwrap()
}

fn golden<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let text = fs::read_to_string(tests_folder().join("golden").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[derive(Deserialize)]
struct Processors {
    /// The text of each `preprocessor_config.json`.
    configs: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: String,
    image: String,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Refused {
        error: String,
    },
    Rows {
        grid_thw: GridThw,
        row_width: usize,
        crc32_f32: u32,
        sum: f64,
    },
}

fn processed(config: &str, image: &str) -> Result<Patches, PreprocessError> {
    let processor = Processor::image_only(ImageProcessorConfig::from_json(config)?)?;
    let path = tests_folder().join("images").join(image);
    processor.preprocess_images(&[open_image(path, &DecodeOptions::default())?])
}

fn check(case: &Case, config: &str) {
    let what = format!("{} of {}", case.config, case.image);
    let found = processed(config, &case.image);
    let (grid, width, crc, expected_sum) = match &case.answer {
        Answer::Refused { error } => {
            return assert!(found.is_err(), "{what} is not refused: {error}");
        }
        Answer::Rows {
            grid_thw,
            row_width,
            crc32_f32,
            sum,
        } => (grid_thw, *row_width, *crc32_f32, *sum),
    };
    let patches = found.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(patches.grids(), [*grid], "{what}");
    let values = patches.pixel_values();
    assert_eq!(values.ncols(), width, "{what}");
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
    assert_eq!(
        crc32fast::hash(&bytes),
        crc,
        "{what}: other values, whose sum is {sum} and not {expected_sum}"
    );
}

#[test]
fn every_configuration_gives_the_references_rows_bit_for_bit() {
    let processors: Processors = golden("processors.json");
    assert_eq!(processors.cases.len(), 6 * processors.configs.len());
    for case in &processors.cases {
        check(case, &processors.configs[&case.config]);
    }
}

#[derive(Deserialize)]
struct Budgets {
    rows: Vec<BudgetRow>,
}

#[derive(Debug, Deserialize)]
struct BudgetRow {
    class: String,
    /// 0 for an image.
    frames: usize,
    height: usize,
    width: usize,
    patch: usize,
    temporal: usize,
    merge: usize,
    expand: usize,
    /// Whether the limits count tokens (1) or pixels (0).
    tokens: u8,
    min: usize,
    max: usize,
    t: usize,
    h: usize,
    w: usize,
}

fn class(name: &str) -> ProcessorClass {
    match name {
        "Glm4v" => ProcessorClass::Glm4v,
        "Glm46V" => ProcessorClass::Glm46v,
        "Glmga" => ProcessorClass::Glmga,
        "Glm5Next" => ProcessorClass::Glm5Next,
        other => panic!("unknown class {other}"),
    }
}

fn grid(row: &BudgetRow) -> Result<GridThw, PreprocessError> {
    let class = class(&row.class);
    let resized = |config: ImageProcessorConfig| ImageProcessorConfig {
        patch_size: row.patch,
        temporal_patch_size: row.temporal,
        merge_size: row.merge,
        patch_expand_factor: config.patch_expand_factor.map(|_| row.expand),
        ..config
    };
    let image = ImageProcessorConfig::default_of(class);
    let video = VideoProcessorConfig::default_of(class);
    let video = VideoProcessorConfig {
        frames: resized(video.frames),
        ..video
    };
    let (min, max) = (Some(row.min), Some(row.max));
    let budget = match row.tokens {
        0 => SizeBudget::Pixels { min, max },
        _ => SizeBudget::Tokens { min, max },
    };
    let processor = Processor::new(resized(image), video)?.with_budget(budget)?;
    match row.frames {
        0 => processor.grid(row.height, row.width),
        frames => processor.video_grid(frames, row.height, row.width),
    }
}

#[test]
fn limits_of_the_size_give_the_references_grids() {
    let budgets: Budgets = golden("budgets.json");
    assert_eq!(budgets.rows.len(), 4000);
    for row in &budgets.rows {
        let expected = GridThw::new(row.t, row.h, row.w);
        match grid(row) {
            Ok(grid) => assert_eq!(grid, expected, "{row:?}"),
            Err(error) => assert_eq!(expected, GridThw::new(0, 0, 0), "{row:?}: {error}"),
        }
    }
}

/// An image and a video of two frames, both of 100 × 60 pixels.
fn tokens(processor: &Processor) -> (usize, usize) {
    let image = processor.grid(100, 60).unwrap();
    let video = processor.video_grid(2, 100, 60).unwrap();
    (image.num_tokens(2), video.num_tokens(2))
}

#[test]
fn files_of_both_layouts_are_found_in_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let message = Processor::from_dir(dir.path()).unwrap_err().to_string();
    assert!(message.contains("processor_config.json"), "{message}");

    let size = |pixels| format!(r#"{{"size": {{"shortest_edge": 1, "longest_edge": {pixels}}}}}"#);
    write(ProcessorFiles::IMAGE, &size(4 * 1568));
    let processor = Processor::from_dir(dir.path()).unwrap();
    assert_eq!(
        tokens(&processor),
        (2, 2),
        "the video uses the image's limits"
    );
    write(ProcessorFiles::VIDEO, &size(7 * 1568));
    let processor = Processor::from_dir(dir.path()).unwrap();
    assert_eq!(tokens(&processor), (2, 6));
    let nested = format!(
        r#"{{"image_processor": {}, "video_processor": {}}}"#,
        size(7 * 1568),
        size(2 * 1568)
    );
    write(ProcessorFiles::NESTED, &nested);
    let processor = Processor::from_dir(dir.path()).unwrap();
    assert_eq!(tokens(&processor), (6, 1));
}

#[test]
fn a_budget_holds_for_images_and_for_videos_read_later() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(ProcessorFiles::IMAGE), "{}").unwrap();
    let budget = SizeBudget::Tokens {
        min: None,
        max: Some(7),
    };
    let processor = Processor::from_dir(dir.path()).unwrap();
    assert_eq!(tokens(&processor), (8, 8));
    let limited = processor.with_budget(budget).unwrap();
    assert_eq!(tokens(&limited), (6, 6));
    let later = Processor::from_dir(dir.path()).unwrap();
    assert_eq!(tokens(&later.with_budget(budget).unwrap()), (6, 6));
}

#[test]
fn a_padded_image_tells_which_pixels_a_token_covers() {
    let processor = |class| {
        let image = ImageProcessorConfig::default_of(class);
        Processor::image_only(image).unwrap()
    };
    let probe = |class| {
        let image = DynamicImage::new_rgb8(500, 300);
        processor(class).probe(Source::from_image(image)).unwrap()
    };
    let padded = probe(ProcessorClass::Glm5Next);
    assert_eq!((padded.grid.h, padded.grid.w), (22, 36));
    assert_eq!(padded.canvas, (308, 504));
    let image = ImageProcessorConfig::default_of(ProcessorClass::Glm5Next);
    assert_eq!(
        ImageProcessor::new(image).canvas(300, 500).unwrap(),
        padded.canvas
    );
    let place = padded.grid.token_box(1, 2, padded.canvas).unwrap();
    assert_eq!((place.y, place.x), (0.0..28.0, 28.0..56.0));
    assert_eq!(probe(ProcessorClass::Glm4v).canvas, (300, 500));
}

#[test]
fn an_absurd_minimum_is_refused() {
    for class in [ProcessorClass::Glm4v, ProcessorClass::Glm5Next] {
        let image = ImageProcessorConfig::default_of(class);
        let budget = SizeBudget::Tokens {
            min: Some(usize::MAX / 4),
            max: Some(usize::MAX),
        };
        let processor = Processor::image_only(image).unwrap();
        let processor = processor.with_budget(budget).unwrap();
        let image = Source::from_image(DynamicImage::new_rgb8(50, 30));
        let error = processor.probe(image).unwrap_err().to_string();
        assert!(error.contains("pixels of a resized image"), "{error}");
    }
}
