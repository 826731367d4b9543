use super::Source;
use super::linspace::linspace_floor;

const MAX_FRAMES: usize = 640;
const MAX_SECONDS: f64 = 2400.0;
/// Temporal patches a second of clips up to so many seconds, and of longer ones.
const RATES: [(f64, f64); 2] = [(30.0, 3.0), (300.0, 1.0)];
const SLOWEST: f64 = 0.5;

/// `Glm46VVideoProcessor.sample_frames` of transformers 5.23 before repeats are dropped: 3, 1 or 0.5 temporal patches a
/// second by the clip's duration, spread over the whole clip where that gives too many or too few frames.
pub(super) fn sample(temporal_patch_size: usize, source: Source) -> Vec<usize> {
    let temporal = temporal_patch_size as f64;
    let seconds = source.duration.min(MAX_SECONDS);
    let rate = RATES.iter().find(|(longest, _)| seconds <= *longest);
    let rate = rate.map_or(SLOWEST, |&(_, rate)| rate);
    let count = ((seconds * rate * temporal) as usize).min(MAX_FRAMES);

    let indices = if source.num_frames < count {
        linspace_floor(0, source.last(), count)
    } else {
        walk(source, 1.0 / (temporal * rate), count)
    };
    match (indices.len(), indices.as_slice()) {
        (len, _) if len > count => linspace_floor(0, source.last(), count),
        (len, &[first, .., last]) if len < count => linspace_floor(first, last, count),
        (len, &[only]) if len < count => linspace_floor(only, only, count),
        _ => indices,
    }
}

/// The first frame at or after every `step` seconds, until the clip's last whole second.
fn walk(source: Source, step: f64, count: usize) -> Vec<usize> {
    let (frame_seconds, end) = (1.0 / source.fps, source.duration.trunc());
    let mut indices = Vec::new();
    let mut due = 0.0;
    for index in 0..source.num_frames {
        if index as f64 * frame_seconds < due {
            continue;
        }
        // Added up as the reference does: index · step rounds differently.
        due += step;
        indices.push(index);
        // One more than `count` settles that they are too many.
        if due >= end || indices.len() > count {
            break;
        }
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(temporal: usize, num_frames: usize, fps: f64, duration: f64) -> Vec<usize> {
        let source = Source {
            num_frames,
            fps,
            duration,
        };
        sample(temporal, source)
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
    fn less_than_a_frame_is_none() {
        assert_eq!(sampled(2, 2, 25.0, 0.1), [0; 0]);
    }

    #[test]
    fn too_few_frames_are_spread_between_the_first_and_the_last() {
        // 18 are asked for of the announced three seconds; the last sixth of a second with a frame starts at frame 17.
        assert!(sampled(2, 19, 10.0, 3.0).into_iter().eq(0..18));
    }

    #[test]
    fn fewer_frames_than_asked_for_repeat() {
        // 0.4 apart.
        assert_eq!(sampled(2, 3, 4.0, 1.0), [0, 0, 0, 1, 1, 2]);
    }
}
