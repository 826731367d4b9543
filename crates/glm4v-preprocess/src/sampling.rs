mod at_rate;
mod glm46v;
mod glm4v;
mod glm5_next;
mod glmga;
mod linspace;
mod video;

use glm4v_config::{SamplingRule, VideoProcessorConfig};

use crate::{PreprocessError, VideoMetadata};
use video::Video;

/// The sampled frames of a video, counted from 0 and in order: exactly those of transformers 5.23.
///
/// Without `do_sample_frames`, these are all frames. Otherwise [`SamplingRule`] selects the `sample_frames` of a video
/// processor. Only the last frame can stand twice, which makes an odd number even. A very short video may have no sampled
/// frame.
///
/// # Errors
/// [`PreprocessError::VideoMetadata`] for a video without frames, and for invalid numbers. Sampling needs a known frame
/// rate. [`PreprocessError::TooLarge`] for more than 16,777,216 frames, in the video or sampled.
pub fn sample_frames(
    config: &VideoProcessorConfig,
    metadata: &VideoMetadata,
) -> Result<Vec<usize>, PreprocessError> {
    metadata.check()?;
    let sampling = &config.sampling;
    if !sampling.do_sample_frames {
        return Ok((0..metadata.num_frames).collect());
    }
    let video = Video::new(metadata)?;
    let mut indices = match sampling.video_processor_type {
        SamplingRule::Glm4v => glm4v::sample(sampling, video)?,
        SamplingRule::Glm46v => glm46v::sample(config.frames.temporal_patch_size, video),
        SamplingRule::Glmga => glmga::sample(sampling, video)?,
        SamplingRule::Glm5Next => glm5_next::sample(sampling, video)?,
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
        VideoProcessorConfig::default_of(rule.into())
    }

    fn sampled(rule: SamplingRule, num_frames: usize, fps: f64) -> Vec<usize> {
        sample_frames(&config(rule), &VideoMetadata::new(num_frames, fps)).unwrap()
    }

    #[test]
    fn a_single_frame_is_sampled_twice() {
        assert_eq!(sampled(SamplingRule::Glm4v, 1, 25.0), [0, 0]);
        assert_eq!(sampled(SamplingRule::Glm46v, 1, 25.0), [0, 0]);
        assert_eq!(sampled(SamplingRule::Glmga, 1, 25.0), [0, 0]);
        assert_eq!(sampled(SamplingRule::Glm5Next, 1, 25.0), [0, 0]);
    }

    #[test]
    fn the_rules_differ() {
        // round(8 / 4) + 1 = 3 seconds: 6 frames, every other one; or 18 of 9, so all and the last again.
        assert_eq!(sampled(SamplingRule::Glm4v, 9, 4.0), [0, 2, 4, 6, 8, 8]);
        assert_eq!(
            sampled(SamplingRule::Glm46v, 9, 4.0),
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]
        );
    }

    #[test]
    fn without_sampling_every_frame_is_used_once() {
        let mut config = config(SamplingRule::Glm4v);
        config.sampling.do_sample_frames = false;
        let metadata = VideoMetadata {
            fps: None,
            ..VideoMetadata::new(3, 1.0)
        };
        assert_eq!(sample_frames(&config, &metadata).unwrap(), [0, 1, 2]);
        config.sampling.do_sample_frames = true;
        let message = sample_frames(&config, &metadata).unwrap_err().to_string();
        assert!(message.contains("do_sample_frames"), "{message}");
    }
}
