//! The sampled frames of a video, beside transcriptions of the four `sample_frames` of transformers.
#![no_main]

use std::collections::HashSet;

use glm4v_config::{FrameSampling, Preset, SamplingRule, VideoProcessorConfig};
use glm4v_preprocess::{VideoMetadata, sample_frames};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    rule: u8,
    frames: u16,
    fps: f64,
    rate: u16,
    plain: bool,
    duration: Option<f64>,
    sampled_fps: f64,
    sampled_rate: u8,
    max_duration: u16,
    max_frames: Option<u16>,
    temporal_patch_size: u8,
}

/// Videos beyond these take long to sample, in the reference as well.
const MOST_SECONDS: f64 = 1e4;
const FASTEST: f64 = 100.0;

fuzz_target!(|case: Case| {
    let fps = if case.plain {
        f64::from(case.rate) / 100.0
    } else {
        case.fps
    };
    let sampled_fps = match case.plain {
        true => f64::from(case.sampled_rate) / 16.0,
        false => case.sampled_fps,
    };
    let rules = [
        SamplingRule::Glm4v,
        SamplingRule::Glm46v,
        SamplingRule::Glmga,
        SamplingRule::Glm5Next,
    ];
    let rule = rules[case.rule as usize % rules.len()];
    let mut config: VideoProcessorConfig = Preset::Glm41V9B.video_processor();
    config.frames.temporal_patch_size = 1 + case.temporal_patch_size as usize % 4;
    config.sampling = FrameSampling {
        fps: sampled_fps,
        max_duration: f64::from(case.max_duration),
        max_frames: case.max_frames.map(usize::from),
        ..FrameSampling::default_of(rule)
    };
    let metadata = VideoMetadata {
        duration: case.duration,
        ..VideoMetadata::new(case.frames as usize, fps)
    };
    let found = sample_frames(&config, &metadata);
    let seconds = case
        .duration
        .unwrap_or(0.0)
        .max(f64::from(case.frames) / fps);
    let is_plain = fps > 1e-6 && fps < 1e6 && case.frames > 0 && seconds < MOST_SECONDS;
    if !is_plain || config.validate().is_err() || sampled_fps > FASTEST {
        return;
    }
    // The processors of the other rules always have a maximum.
    if matches!(rule, SamplingRule::Glmga | SamplingRule::Glm5Next) && case.max_frames.is_none() {
        return;
    }
    let Ok(found) = found else { return };
    assert_eq!(found, reference(&config, &metadata), "{case:?}");
});

fn reference(config: &VideoProcessorConfig, metadata: &VideoMetadata) -> Vec<usize> {
    let sampling = &config.sampling;
    let total = metadata.num_frames;
    let fps = metadata.fps.unwrap_or_default();
    let last = total - 1;
    let duration = match metadata.duration {
        Some(seconds) if seconds != 0.0 => seconds,
        _ => (last as f64 / fps).round_ties_even() + 1.0,
    };
    let most = sampling.max_frames.unwrap_or(usize::MAX);
    let video = Video { total, fps };
    let temporal = config.frames.temporal_patch_size as f64;
    let indices = match sampling.video_processor_type {
        SamplingRule::Glm4v => glm4v(sampling, video, duration),
        SamplingRule::Glm46v => {
            let effective = duration.min(2400.0);
            let target = match effective {
                seconds if seconds <= 30.0 => 3.0,
                seconds if seconds <= 300.0 => 1.0,
                _ => 0.5,
            };
            let count = ((effective * target * temporal) as usize).min(640);
            let step = 1.0 / (temporal * target);
            video.every(count, step, duration.trunc(), Few::Spread)
        }
        SamplingRule::Glmga => {
            let count = ((duration * sampling.fps) as usize).min(most);
            let step = 1.0 / sampling.fps;
            video.every(count, step, duration - step, Few::Share)
        }
        SamplingRule::Glm5Next => {
            let limited = match sampling.max_duration <= 0.0 {
                true => duration,
                false => duration.min(sampling.max_duration),
            };
            let count = ((limited * sampling.fps) as usize).min(most);
            video.every(count, 1.0 / sampling.fps, duration.trunc(), Few::Spread)
        }
    };
    let mut seen = HashSet::new();
    let mut unique: Vec<usize> = indices
        .into_iter()
        .filter(|&index| seen.insert(index))
        .collect();
    if let (1, Some(&last)) = (unique.len() % 2, unique.last()) {
        unique.push(last);
    }
    unique
}

fn glm4v(sampling: &FrameSampling, video: Video, duration: f64) -> Vec<usize> {
    let last = video.total - 1;
    let at = |frame: f64| (frame.ceil() as usize).min(last);
    if duration <= sampling.max_duration {
        let count = ((duration * sampling.fps).floor() as usize).max(1);
        return (0..count)
            .map(|index| at(index as f64 * video.fps / sampling.fps))
            .collect();
    }
    let count = (sampling.max_duration * sampling.fps) as usize;
    if count >= video.total {
        return (0..video.total).collect();
    }
    linspace(0.0, duration, count)
        .into_iter()
        .map(|seconds| at(seconds * video.fps))
        .collect()
}

#[derive(Clone, Copy)]
struct Video {
    total: usize,
    fps: f64,
}

/// What becomes of a video with fewer frames than are sampled.
enum Few {
    Spread,
    Share,
}

impl Video {
    /// The loop of three of the rules, with all frames in it.
    fn every(self, count: usize, step: f64, end: f64, few: Few) -> Vec<usize> {
        let mut indices = Vec::new();
        if self.total < count {
            indices = match few {
                Few::Spread => floors(0, self.total - 1, count),
                Few::Share => {
                    let share = |index: usize| (index * self.total) as f64 / count as f64;
                    (0..count)
                        .map(|index| share(index).floor() as usize)
                        .collect()
                }
            };
        } else {
            let frame_seconds = 1.0 / self.fps;
            let mut current = 0.0;
            for index in 0..self.total {
                if index as f64 * frame_seconds >= current {
                    current += step;
                    indices.push(index);
                    if current >= end {
                        break;
                    }
                }
            }
        }
        if indices.len() < count {
            let (start, stop) = match (indices.first(), indices.last()) {
                (Some(&first), Some(&last)) => (first, last),
                _ => (0, self.total - 1),
            };
            return floors(start, stop, count);
        }
        match indices.len() > count {
            true => floors(0, self.total - 1, count),
            false => indices,
        }
    }
}

/// `numpy.linspace`.
fn linspace(start: f64, stop: f64, count: usize) -> Vec<f64> {
    let step = (stop - start) / count.saturating_sub(1) as f64;
    let value = |index: usize| match index {
        0 => start,
        _ if index + 1 == count => stop,
        _ => index as f64 * step + start,
    };
    (0..count).map(value).collect()
}

/// `numpy.linspace(…, dtype=int)`.
fn floors(start: usize, stop: usize, count: usize) -> Vec<usize> {
    let values = linspace(start as f64, stop as f64, count);
    values
        .into_iter()
        .map(|value| value.floor() as usize)
        .collect()
}
