use crate::{PreprocessError, VideoMetadata};

/// The properties of a video that all rules use.
#[derive(Clone, Copy)]
pub(super) struct Video {
    pub(super) num_frames: usize,
    pub(super) fps: f64,
    pub(super) duration: f64,
}

impl Video {
    pub(super) fn new(metadata: &VideoMetadata) -> Result<Self, PreprocessError> {
        let fps = metadata.fps.ok_or_else(|| PreprocessError::VideoMetadata {
            expected: "a frame rate, because do_sample_frames is true",
            found: "none: set it with source_fps (--source-fps)".into(),
        })?;
        let known = metadata.duration.filter(|&seconds| seconds > 0.0);
        let derived =
            || (metadata.num_frames.saturating_sub(1) as f64 / fps).round_ties_even() + 1.0;
        Ok(Self {
            num_frames: metadata.num_frames,
            fps,
            duration: known.unwrap_or_else(derived),
        })
    }

    pub(super) fn last(&self) -> usize {
        self.num_frames - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_duration_is_rounded_half_to_even() {
        let duration = |metadata: VideoMetadata| Video::new(&metadata).unwrap().duration;
        // 2.5 and 3.5 seconds to the last frame.
        assert_eq!(duration(VideoMetadata::new(6, 2.0)), 3.0);
        assert_eq!(duration(VideoMetadata::new(8, 2.0)), 5.0);
        let known = |seconds| VideoMetadata {
            duration: Some(seconds),
            ..VideoMetadata::new(6, 2.0)
        };
        assert_eq!(duration(known(0.0)), 3.0);
        assert_eq!(duration(known(0.25)), 0.25);
    }
}
