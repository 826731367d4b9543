use glm4v_config::FrameSampling;

use super::at_rate::at_rate;
use super::video::Video;
use crate::PreprocessError;
use crate::metadata::check_sampled;

/// `GlmgaVideoProcessor.sample_frames` of transformers 5.23, before repeats are dropped: `fps` frames a second, and at most
/// `max_frames`. The last frame comes from before the last `1 / fps` seconds, unless the frames are spread.
pub(super) fn sample(
    sampling: &FrameSampling,
    video: Video,
) -> Result<Vec<usize>, PreprocessError> {
    let most = sampling.max_frames.unwrap_or(usize::MAX);
    let count = check_sampled(((video.duration * sampling.fps) as usize).min(most))?;
    if video.num_frames < count {
        let share = |index| (index as f64 * video.num_frames as f64 / count as f64).floor();
        return Ok((0..count).map(|index| share(index) as usize).collect());
    }
    let step = 1.0 / sampling.fps;
    Ok(at_rate(video, step, video.duration - step, count))
}

#[cfg(test)]
mod tests {
    use glm4v_config::SamplingRule;

    use super::*;

    fn sampled(max_frames: usize, source: (usize, f64, f64)) -> Vec<usize> {
        let sampling = FrameSampling {
            max_frames: Some(max_frames),
            ..FrameSampling::default_of(SamplingRule::Glmga)
        };
        let (num_frames, fps, duration) = source;
        let video = Video {
            num_frames,
            fps,
            duration,
        };
        sample(&sampling, video).unwrap()
    }

    #[test]
    fn the_frames_end_one_step_before_the_video() {
        // Due at 0, 0.5, 1, 1.5 and 2 seconds; then 2.5 is not before 3 − 0.5. Five frames become six.
        assert_eq!(sampled(99, (30, 10.0, 3.0)), [0, 4, 8, 12, 16, 20]);
    }

    #[test]
    fn a_limit_spreads_fewer_frames_over_the_whole_video() {
        assert_eq!(sampled(4, (30, 10.0, 3.0)), [0, 9, 19, 29]);
    }

    #[test]
    fn frames_repeat_where_there_are_too_few() {
        assert_eq!(sampled(99, (4, 1.0, 3.0)), [0, 0, 1, 2, 2, 3]);
    }
}
