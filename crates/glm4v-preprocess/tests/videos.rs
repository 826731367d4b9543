//! Videos against transformers' own answers, made by `tests/golden/video_cases.py`.

use std::fs;

use glm4v_config::{GridThw, SamplingRule, VideoProcessorConfig};
use glm4v_preprocess::{
    Patches, PreprocessError, SampledFrames, VideoMetadata, VideoProcessor, sample_frames,
};
use image::{Rgb, RgbImage};
use serde::Deserialize;
use serde_json::Value;

fn golden<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let golden = std::path::absolute("../../tests/golden").unwrap();
    let text = fs::read_to_string(golden.join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn crc32<const N: usize>(numbers: impl Iterator<Item = [u8; N]>) -> u32 {
    crc32fast::hash(&numbers.flatten().collect::<Vec<u8>>())
}

/// num_frames, fps, duration; the options fps, max_duration, temporal_patch_size; and the answer: how many frames, the
/// checksum of their indices and that of the prompt's timestamps.
type SampleRow = (usize, f64, Option<f64>, f64, f64, usize, usize, u32, u32);

#[derive(Deserialize)]
struct SampleRows {
    #[serde(rename = "Glm4vVideoProcessor")]
    glm4v: Vec<SampleRow>,
    #[serde(rename = "Glm46VVideoProcessor")]
    glm46v: Vec<SampleRow>,
    #[serde(rename = "GlmgaVideoProcessor")]
    glmga: Vec<SampleRow>,
    #[serde(rename = "Glm5NextVideoProcessor")]
    glm5_next: Vec<SampleRow>,
}

fn check_rows(rule: SamplingRule, rows: &[SampleRow]) {
    assert_eq!(rows.len(), 2000);
    for row in rows {
        let &(num_frames, fps, duration, rate, max_duration, temporal, count, frames, seconds) =
            row;
        let mut config = VideoProcessorConfig::default_of(rule.into());
        config.frames.temporal_patch_size = temporal;
        config.sampling.fps = rate;
        config.sampling.max_duration = max_duration;
        config.validate().unwrap();
        let metadata = VideoMetadata {
            num_frames,
            fps: Some(fps),
            duration,
            frame_times: None,
        };
        let indices = sample_frames(&config, &metadata).unwrap();
        assert_eq!(indices.len(), count, "{rule:?} {row:?}: {indices:?}");
        let found = crc32(indices.iter().map(|&index| (index as u64).to_le_bytes()));
        assert_eq!(found, frames, "{rule:?} {row:?}: {indices:?}");
        let times = metadata.prompt_timestamps(&indices, count.div_ceil(temporal));
        let found = crc32(times.iter().map(|time| time.to_le_bytes()));
        assert_eq!(found, seconds, "{rule:?} {row:?}: {times:?}");
    }
}

#[test]
fn frames_are_sampled_as_the_reference_samples_them() {
    let rows: SampleRows = golden("sample_frames.json");
    check_rows(SamplingRule::Glm4v, &rows.glm4v);
    check_rows(SamplingRule::Glm46v, &rows.glm46v);
    check_rows(SamplingRule::Glmga, &rows.glmga);
    check_rows(SamplingRule::Glm5Next, &rows.glm5_next);
}

#[derive(Deserialize)]
struct VideoCase {
    num_frames: usize,
    fps: Option<f64>,
    duration: Option<f64>,
    height: usize,
    width: usize,
    options: Value,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Refused {
        error: String,
    },
    Video {
        grid_thw: GridThw,
        frames_indices: Vec<usize>,
        timestamps: Vec<f64>,
        crc32_u8: u32,
        crc32_f32: u32,
    },
}

impl VideoCase {
    fn processed(&self, levels: bool) -> Result<(Patches, SampledFrames), PreprocessError> {
        let mut config = VideoProcessorConfig::from_json(&self.options.to_string()).unwrap();
        config.frames.do_rescale &= !levels;
        config.frames.do_normalize &= !levels;
        let frames = (0..self.num_frames).map(|index| frame(index, self.height, self.width));
        let metadata = VideoMetadata {
            num_frames: self.num_frames,
            fps: self.fps,
            duration: self.duration,
            frame_times: None,
        };
        VideoProcessor::new(config).preprocess(frames, &metadata)
    }
}

/// The same formula as in `video_cases.py`.
fn frame(index: usize, height: usize, width: usize) -> RgbImage {
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let level = 3 * x + 5 * y + 17 * index + 3 * (x * y * (index + 1) % 61);
        Rgb([0, 40, 80].map(|shift| ((level + shift) % 256) as u8))
    })
}

fn check_case(case: &VideoCase) {
    let what = format!("{} frames, {}", case.num_frames, case.options);
    let (levels, values) = (case.processed(true), case.processed(false));
    let (grid, indices, seconds, u8s, f32s) = match &case.answer {
        Answer::Refused { error } => {
            assert!(
                levels.is_err() && values.is_err(),
                "{what}: not refused: {error}"
            );
            return;
        }
        Answer::Video {
            grid_thw,
            frames_indices,
            timestamps,
            crc32_u8,
            crc32_f32,
        } => (grid_thw, frames_indices, timestamps, *crc32_u8, *crc32_f32),
    };
    let ((levels, _), (values, frames)) = (levels.unwrap(), values.unwrap());
    assert_eq!(values.grids(), [*grid], "{what}");
    assert_eq!(&frames.indices, indices, "{what}");
    assert_eq!(&frames.timestamps, seconds, "{what}");
    let levels = levels.pixel_values();
    let levels = levels.iter().map(|&level| [level as u8]);
    assert_eq!(crc32(levels), u8s, "{what}: levels");
    let values = values.pixel_values();
    let values = values.iter();
    assert_eq!(
        crc32(values.map(|value| value.to_le_bytes())),
        f32s,
        "{what}: values"
    );
}

#[test]
fn every_video_gives_the_references_rows_bit_for_bit() {
    #[derive(Deserialize)]
    struct Cases {
        cases: Vec<VideoCase>,
    }
    let Cases { cases } = golden("clips.json");
    assert!(cases.len() >= 50);
    cases.iter().for_each(check_case);
}
