use crate::PreprocessError;

/// Most frames of a video: eight days at 24 a second.
pub(crate) const MAX_FRAMES: usize = 1 << 24;
/// Frames a second that the reference assumes where the rate is not known.
const ASSUMED_FPS: f64 = 24.0;

/// What is known about a video before its frames are read: transformers' `VideoMetadata`.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoMetadata {
    /// Frames of the whole video.
    pub num_frames: usize,
    /// Frames a second. Sampling needs them.
    pub fps: Option<f64>,
    /// Length in seconds. If it is absent or 0, the reference derives it from the other two.
    pub duration: Option<f64>,
    /// When each frame is shown, in seconds, where the file gives a time for each frame, as an animated image does.
    /// transformers has no such field.
    pub frame_times: Option<Vec<f64>>,
}

impl VideoMetadata {
    /// A video of `num_frames` frames at `fps` frames a second.
    #[must_use]
    pub const fn new(num_frames: usize, fps: f64) -> Self {
        Self {
            num_frames,
            fps: Some(fps),
            duration: None,
            frame_times: None,
        }
    }

    /// When the frames at `indices` are shown, in seconds: their `frame_times`, or else index / fps
    /// (`VideoMetadata.timestamps` of transformers 5.23). An unknown rate counts as 24 frames a second.
    #[must_use]
    pub fn frame_timestamps(&self, indices: &[usize]) -> Vec<f64> {
        let times = self.frame_times.as_deref().unwrap_or(&[]);
        let fps = self.fps.unwrap_or(ASSUMED_FPS);
        let time = |&index: &usize| times.get(index).copied().unwrap_or(index as f64 / fps);
        indices.iter().map(time).collect()
    }

    /// The seconds that the prompt names, one for each of `temporal_patches`, as in transformers 5.23
    /// (`replace_video_token` of `Glm4vProcessor` and `Glm46VProcessor`).
    ///
    /// These are the times of every other sampled frame, whatever `temporal_patch_size` is. Surplus times are cut off,
    /// and missing ones repeat the last time. `Glm4vProcessor` then writes integers, `Glm46VProcessor` one decimal.
    #[must_use]
    pub fn prompt_timestamps(&self, indices: &[usize], temporal_patches: usize) -> Vec<f64> {
        let frames = self.frame_timestamps(indices).into_iter();
        let mut seconds: Vec<f64> = frames.step_by(2).take(temporal_patches).collect();
        let last = seconds.last().copied().unwrap_or(0.0);
        seconds.resize(temporal_patches, last);
        seconds
    }

    pub(crate) fn check(&self) -> Result<(), PreprocessError> {
        let refuse = |expected, found| Err(PreprocessError::VideoMetadata { expected, found });
        check_count(self.num_frames, "frames of a video")?;
        if self.num_frames == 0 {
            return refuse("at least 1 frame", "none".into());
        }
        if let Some(times) = self.frame_times.as_ref().map(Vec::len)
            && times != self.num_frames
        {
            let found = format!("{times} of {}", self.num_frames);
            return refuse("a time for each frame", found);
        }
        if let Some(fps) = self.fps
            && !(fps > 0.0 && fps.is_finite())
        {
            return refuse("a positive number of frames a second", fps.to_string());
        }
        if let Some(seconds) = self.duration
            && !(seconds >= 0.0 && seconds.is_finite())
        {
            return refuse("a duration of 0 or more seconds", seconds.to_string());
        }
        Ok(())
    }
}

/// The frames that are sampled from a video.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledFrames {
    /// The metadata of the whole video.
    pub metadata: VideoMetadata,
    /// The sampled frames, counted from 0 in the whole video, in order. The last index may stand twice, which makes
    /// their number even. Repeats that only fill the last temporal patch are not listed.
    pub indices: Vec<usize>,
    /// The seconds that the prompt names, one for each temporal patch ([`VideoMetadata::prompt_timestamps`]).
    pub timestamps: Vec<f64>,
}

impl SampledFrames {
    pub(crate) fn new(
        metadata: &VideoMetadata,
        indices: Vec<usize>,
        temporal_patches: usize,
    ) -> Self {
        Self {
            timestamps: metadata.prompt_timestamps(&indices, temporal_patches),
            metadata: metadata.clone(),
            indices,
        }
    }

    /// When each sampled frame is shown, in seconds.
    #[must_use]
    pub fn frame_timestamps(&self) -> Vec<f64> {
        self.metadata.frame_timestamps(&self.indices)
    }
}

/// Limits the number of sampled frames: a tiny frame rate would otherwise sample the same frame without end.
pub(crate) fn check_sampled(count: usize) -> Result<usize, PreprocessError> {
    check_count(count, "sampled frames")?;
    Ok(count)
}

fn check_count(count: usize, unit: &'static str) -> Result<(), PreprocessError> {
    if count <= MAX_FRAMES {
        return Ok(());
    }
    Err(PreprocessError::TooLarge {
        unit,
        limit: MAX_FRAMES as u64,
        found: count.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_name_every_other_frame() {
        let metadata = VideoMetadata::new(9, 2.0);
        let indices = [0, 1, 2, 3, 7, 7];
        assert_eq!(
            metadata.frame_timestamps(&indices),
            [0.0, 0.5, 1.0, 1.5, 3.5, 3.5]
        );
        assert_eq!(metadata.prompt_timestamps(&indices, 3), [0.0, 1.0, 3.5]);
        assert_eq!(metadata.prompt_timestamps(&indices, 2), [0.0, 1.0]);
        assert_eq!(
            metadata.prompt_timestamps(&indices, 5),
            [0.0, 1.0, 3.5, 3.5, 3.5]
        );
        assert_eq!(metadata.prompt_timestamps(&[], 1), [0.0]);
    }

    #[test]
    fn known_times_are_used() {
        let metadata = VideoMetadata {
            frame_times: Some(vec![0.0, 0.1, 0.7]),
            ..VideoMetadata::new(3, 4.0)
        };
        assert_eq!(metadata.frame_timestamps(&[0, 2, 2]), [0.0, 0.7, 0.7]);
        assert_eq!(metadata.prompt_timestamps(&[0, 1, 2, 2], 2), [0.0, 0.7]);
        let short = VideoMetadata {
            num_frames: 4,
            ..metadata
        };
        let message = short.check().unwrap_err().to_string();
        assert!(message.ends_with("found 3 of 4"), "{message}");
    }

    #[test]
    fn an_unknown_rate_is_24_frames_a_second() {
        let metadata = VideoMetadata {
            fps: None,
            ..VideoMetadata::new(99, 1.0)
        };
        assert_eq!(metadata.frame_timestamps(&[0, 12]), [0.0, 0.5]);
        assert!(metadata.check().is_ok());
    }

    #[test]
    fn refusals_name_the_value() {
        let video = |num_frames, fps, duration| VideoMetadata {
            duration: Some(duration),
            ..VideoMetadata::new(num_frames, fps)
        };
        assert!(video(1, 1.0, 0.0).check().is_ok());
        for (metadata, found) in [
            (video(0, 1.0, 1.0), "none"),
            (video(1, 0.0, 1.0), "found 0"),
            (video(1, f64::NAN, 1.0), "NaN"),
            (video(1, 1.0, -2.0), "-2"),
            (video(1, 1.0, f64::INFINITY), "inf"),
            (video(usize::MAX, 1.0, 1.0), "16777216 frames"),
        ] {
            let message = metadata.check().unwrap_err().to_string();
            assert!(message.contains(found), "{message}");
        }
    }
}
