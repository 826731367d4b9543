use super::at_rate::at_rate;
use super::linspace::linspace_floor;
use super::video::Video;

const MAX_FRAMES: usize = 640;
const MAX_SECONDS: f64 = 2400.0;
/// (seconds, temporal patches a second) for videos up to a duration, and the rate of longer ones.
const RATES: [(f64, f64); 2] = [(30.0, 3.0), (300.0, 1.0)];
const SLOWEST: f64 = 0.5;

/// `Glm46VVideoProcessor.sample_frames` of transformers 5.23, before repeats are dropped: 3, 1 or 0.5 temporal patches a
/// second, which depends on the duration. Too many or too few frames are spread evenly.
pub(super) fn sample(temporal_patch_size: usize, video: Video) -> Vec<usize> {
    let temporal = temporal_patch_size as f64;
    let seconds = video.duration.min(MAX_SECONDS);
    let rate = RATES.iter().find(|(longest, _)| seconds <= *longest);
    let rate = rate.map_or(SLOWEST, |&(_, rate)| rate);
    let count = ((seconds * rate * temporal) as usize).min(MAX_FRAMES);

    if video.num_frames < count {
        return linspace_floor(0, video.last(), count);
    }
    let (step, end) = (1.0 / (temporal * rate), video.duration.trunc());
    at_rate(video, step, end, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(temporal: usize, num_frames: usize, fps: f64, duration: f64) -> Vec<usize> {
        let video = Video {
            num_frames,
            fps,
            duration,
        };
        sample(temporal, video)
    }

    #[test]
    fn the_rate_falls_with_the_duration() {
        let spacing = |duration: f64| {
            let indices = sampled(1, 24 * duration as usize, 24.0, duration);
            (indices.len(), indices[1] - indices[0])
        };
        assert_eq!(spacing(10.0), (30, 8));
        assert_eq!(spacing(100.0), (100, 24));
        assert_eq!(spacing(1000.0), (500, 48));
    }

    #[test]
    fn there_are_640_frames_at_most() {
        assert_eq!(sampled(2, 10 * 2000, 10.0, 2000.0).len(), 640);
        let long = sampled(2, 10 * 9000, 10.0, 9000.0);
        assert_eq!((long.len(), long[0], long[639]), (640, 0, 89_999));
    }

    #[test]
    fn a_very_short_video_has_no_sampled_frame() {
        assert_eq!(sampled(2, 2, 25.0, 0.1), [0; 0]);
    }

    #[test]
    fn too_few_frames_are_spread_between_the_first_and_the_last() {
        // Three seconds give 18 frames, but the last sixth of a second with a frame starts at frame 17.
        assert!(sampled(2, 19, 10.0, 3.0).into_iter().eq(0..18));
    }

    #[test]
    fn frames_repeat_where_there_are_too_few() {
        // 0.4 apart.
        assert_eq!(sampled(2, 3, 4.0, 1.0), [0, 0, 0, 1, 1, 2]);
    }
}
