mod glm46v;
mod glm4v;
mod linspace;

use glm4v_config::{SamplingRule, VideoProcessorConfig};

use crate::{ClipInfo, PreprocessError};

/// What both rules start from.
#[derive(Clone, Copy)]
struct Source {
    num_frames: usize,
    fps: f64,
    duration: f64,
}

impl Source {
    fn new(info: &ClipInfo) -> Result<Self, PreprocessError> {
        let fps = info.fps.ok_or_else(|| PreprocessError::ClipInfo {
            expected: "whose frame rate is known, as do_sample_frames is true",
            found: "none; give it (source_fps, --source-fps)".into(),
        })?;
        let known = info.duration.filter(|&seconds| seconds > 0.0);
        let derived = || (info.num_frames.saturating_sub(1) as f64 / fps).round_ties_even() + 1.0;
        Ok(Self {
            num_frames: info.num_frames,
            fps,
            duration: known.unwrap_or_else(derived),
        })
    }

    fn last(&self) -> usize {
        self.num_frames - 1
    }
}

/// The frames of a clip that are taken, counted from 0 and in order, exactly those of transformers 5.23: all of them
/// without `do_sample_frames`, otherwise what `Glm4vVideoProcessor.sample_frames` or
/// `Glm46VVideoProcessor.sample_frames` says ([`SamplingRule`]). No frame is taken twice but the last, which makes an
/// odd number even. A clip shorter than a frame of the rule's own rate may give none.
///
/// # Errors
/// [`PreprocessError::ClipInfo`] for a clip without frames, a frame rate that is not positive or, where frames are to
/// be sampled, not known, and a negative duration; [`PreprocessError::TooLarge`] for more than 16,777,216 frames, in the
/// clip or asked for.
pub fn sample_frames(
    config: &VideoProcessorConfig,
    info: &ClipInfo,
) -> Result<Vec<usize>, PreprocessError> {
    info.check()?;
    let sampling = &config.sampling;
    if !sampling.do_sample_frames {
        return Ok((0..info.num_frames).collect());
    }
    let source = Source::new(info)?;
    let mut indices = match sampling.video_processor_type {
        SamplingRule::Glm4v => glm4v::sample(sampling, source)?,
        SamplingRule::Glm46v => glm46v::sample(config.frames.temporal_patch_size, source),
    };
    indices.dedup();
    if let (true, Some(&last)) = (indices.len() % 2 == 1, indices.last()) {
        indices.push(last);
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rule: SamplingRule) -> VideoProcessorConfig {
        let mut config = VideoProcessorConfig::default();
        config.sampling.video_processor_type = rule;
        config
    }

    fn sampled(rule: SamplingRule, num_frames: usize, fps: f64) -> Vec<usize> {
        sample_frames(&config(rule), &ClipInfo::new(num_frames, fps)).unwrap()
    }

    #[test]
    fn one_frame_is_taken_twice() {
        assert_eq!(sampled(SamplingRule::Glm4v, 1, 25.0), [0, 0]);
        assert_eq!(sampled(SamplingRule::Glm46v, 1, 25.0), [0, 0]);
    }

    #[test]
    fn the_rules_differ() {
        // round(8 / 4) + 1 = 3 seconds: 6 frames, every other one; or 18 asked for of 9, so all and the last again.
        assert_eq!(sampled(SamplingRule::Glm4v, 9, 4.0), [0, 2, 4, 6, 8, 8]);
        assert_eq!(
            sampled(SamplingRule::Glm46v, 9, 4.0),
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]
        );
    }

    #[test]
    fn a_derived_duration_is_rounded_half_to_even() {
        let duration = |info: ClipInfo| Source::new(&info).unwrap().duration;
        // 2.5 and 3.5 seconds to the last frame.
        assert_eq!(duration(ClipInfo::new(6, 2.0)), 3.0);
        assert_eq!(duration(ClipInfo::new(8, 2.0)), 5.0);
        let known = |seconds| ClipInfo {
            duration: Some(seconds),
            ..ClipInfo::new(6, 2.0)
        };
        assert_eq!(duration(known(0.0)), 3.0);
        assert_eq!(duration(known(0.25)), 0.25);
    }

    #[test]
    fn without_sampling_every_frame_is_taken_once() {
        let mut config = config(SamplingRule::Glm4v);
        config.sampling.do_sample_frames = false;
        let info = ClipInfo {
            fps: None,
            ..ClipInfo::new(3, 1.0)
        };
        assert_eq!(sample_frames(&config, &info).unwrap(), [0, 1, 2]);
        config.sampling.do_sample_frames = true;
        let message = sample_frames(&config, &info).unwrap_err().to_string();
        assert!(message.contains("do_sample_frames"), "{message}");
    }
}
