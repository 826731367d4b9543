use glm4v_config::FrameSampling;

use super::at_rate::at_rate;
use super::linspace::linspace_floor;
use super::video::Video;
use crate::PreprocessError;
use crate::metadata::check_sampled;

/// `Glm5NextVideoProcessor.sample_frames` of transformers 5.23, before repeats are dropped: `fps` frames a second, of at
/// most `max_duration` seconds, and at most `max_frames`. A longer video is sampled to its end.
pub(super) fn sample(
    sampling: &FrameSampling,
    video: Video,
) -> Result<Vec<usize>, PreprocessError> {
    let seconds = match sampling.max_duration > 0.0 {
        true => video.duration.min(sampling.max_duration),
        false => video.duration,
    };
    let most = sampling.max_frames.unwrap_or(usize::MAX);
    let count = check_sampled(((seconds * sampling.fps) as usize).min(most))?;
    if video.num_frames < count {
        return Ok(linspace_floor(0, video.last(), count));
    }
    let (step, end) = (1.0 / sampling.fps, video.duration.trunc());
    Ok(at_rate(video, step, end, count))
}

#[cfg(test)]
mod tests {
    use glm4v_config::SamplingRule;

    use super::*;

    fn sampled(max_duration: f64, max_frames: usize, source: (usize, f64, f64)) -> Vec<usize> {
        let sampling = FrameSampling {
            max_duration,
            max_frames: Some(max_frames),
            ..FrameSampling::default_of(SamplingRule::Glm5Next)
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
    fn two_frames_a_second() {
        assert_eq!(sampled(0.0, 99, (30, 10.0, 3.0)), [0, 5, 10, 15, 20, 25]);
    }

    #[test]
    fn a_limit_spreads_fewer_frames_over_the_whole_video() {
        assert_eq!(sampled(0.0, 4, (30, 10.0, 3.0)), [0, 9, 19, 29]);
        assert_eq!(sampled(2.0, 99, (30, 10.0, 3.0)), [0, 9, 19, 29]);
    }

    #[test]
    fn frames_repeat_where_there_are_too_few() {
        assert_eq!(sampled(0.0, 99, (3, 1.0, 3.0)), [0, 0, 0, 1, 1, 2]);
    }
}
