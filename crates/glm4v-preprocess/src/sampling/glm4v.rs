use glm4v_config::FrameSampling;

use super::linspace::linspace;
use super::video::Video;
use crate::PreprocessError;
use crate::metadata::check_sampled;

/// `Glm4vVideoProcessor.sample_frames` of transformers 5.23, before repeats are dropped: `fps` frames a second up to
/// `max_duration`. A longer video has as many frames as that duration, spread over all of it.
pub(super) fn sample(
    sampling: &FrameSampling,
    video: Video,
) -> Result<Vec<usize>, PreprocessError> {
    let at = |seconds_times_fps: f64| (seconds_times_fps.ceil() as usize).min(video.last());
    if video.duration <= sampling.max_duration {
        let count = (video.duration * sampling.fps).floor().max(1.0) as usize;
        return Ok((0..check_sampled(count)?)
            .map(|index| at(index as f64 * video.fps / sampling.fps))
            .collect());
    }
    let count = (sampling.max_duration * sampling.fps) as usize;
    if count >= video.num_frames {
        return Ok((0..video.num_frames).collect());
    }
    Ok(linspace(0.0, video.duration, count)
        .map(|seconds| at(seconds * video.fps))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(fps: f64, max_duration: f64, source: (usize, f64, f64)) -> Vec<usize> {
        let sampling = FrameSampling {
            fps,
            max_duration,
            ..FrameSampling::default()
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
    fn frames_are_rounded_up() {
        // ⌊2.9 · 2⌋ = 5 frames at 0, 2.5, 5, 7.5 and 10.
        assert_eq!(sampled(2.0, 300.0, (100, 5.0, 2.9)), [0, 3, 5, 8, 10]);
    }

    #[test]
    fn indices_stop_at_the_last_frame() {
        assert_eq!(sampled(4.0, 300.0, (3, 1.0, 1.5)), [0, 1, 1, 1, 1, 2]);
        assert_eq!(sampled(2.0, 300.0, (2, 4.0, 2.0)), [0, 1, 1, 1]);
    }

    #[test]
    fn a_fraction_of_a_second_is_one_frame() {
        assert_eq!(sampled(2.0, 300.0, (9, 30.0, 0.3)), [0]);
    }

    #[test]
    fn a_long_video_is_covered_to_its_end() {
        // 2 · 2 = 4 frames at 0, 10/3, 20/3 and 10 seconds.
        assert_eq!(sampled(2.0, 2.0, (31, 3.0, 10.0)), [0, 10, 20, 30]);
        assert_eq!(sampled(2.0, 2.0, (4, 3.0, 10.0)), [0, 1, 2, 3]);
        assert_eq!(sampled(0.5, 1.0, (31, 3.0, 10.0)), [0; 0]);
    }

    #[test]
    fn absurd_rates_are_refused() {
        let sampling = FrameSampling {
            fps: 1e300,
            ..FrameSampling::default()
        };
        let video = Video {
            num_frames: 2,
            fps: 1.0,
            duration: 2.0,
        };
        assert!(sample(&sampling, video).is_err());
    }
}
