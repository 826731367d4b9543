use super::linspace::linspace_floor;
use super::video::Video;

/// `count` frames of a video that has at least as many, as three video processors of transformers 5.23 sample them: the
/// first frame at or after every `step` seconds, until `end` seconds. Too many or too few frames are spread evenly.
pub(super) fn at_rate(video: Video, step: f64, end: f64, count: usize) -> Vec<usize> {
    let indices = every_step(video, step, end, count);
    match (indices.len(), indices.as_slice()) {
        (len, _) if len > count => linspace_floor(0, video.last(), count),
        (len, &[first, .., last]) if len < count => linspace_floor(first, last, count),
        (len, &[only]) if len < count => linspace_floor(only, only, count),
        _ => indices,
    }
}

fn every_step(video: Video, step: f64, end: f64, count: usize) -> Vec<usize> {
    let frame_seconds = 1.0 / video.fps;
    let mut indices = Vec::new();
    let mut due = 0.0;
    for index in 0..video.num_frames {
        if index as f64 * frame_seconds < due {
            continue;
        }
        // The reference adds: index · step would round differently.
        due += step;
        indices.push(index);
        // One more than `count` shows that there are too many.
        if due >= end || indices.len() > count {
            break;
        }
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: Video = Video {
        num_frames: 20,
        fps: 10.0,
        duration: 2.0,
    };

    #[test]
    fn frames_are_the_first_after_each_step() {
        assert_eq!(at_rate(VIDEO, 0.5, 2.0, 4), [0, 5, 10, 15]);
        assert_eq!(at_rate(VIDEO, 0.25, 1.0, 4), [0, 3, 5, 8]);
    }

    #[test]
    fn too_many_and_too_few_are_spread() {
        assert_eq!(at_rate(VIDEO, 0.1, 2.0, 4), [0, 6, 12, 19]);
        assert_eq!(at_rate(VIDEO, 0.5, 1.5, 5), [0, 2, 5, 7, 10]);
        assert_eq!(at_rate(VIDEO, 0.5, 0.0, 2), [0, 0]);
    }
}
