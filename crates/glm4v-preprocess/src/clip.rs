use crate::{Patches, PreprocessError};

/// A clip has at most as many frames: eight days at 24 a second.
const MAX_FRAMES: usize = 1 << 24;
/// Frames a second that the reference assumes where they are not known.
const ASSUMED_FPS: f64 = 24.0;

/// What is known of a clip before its frames are: transformers' `VideoMetadata`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipInfo {
    /// Frames of the whole clip.
    pub num_frames: usize,
    /// Frames a second; sampling needs them.
    pub fps: Option<f64>,
    /// Length in seconds; where it is absent or 0 the reference derives it from the other two.
    pub duration: Option<f64>,
    /// When each frame is shown, in seconds, where that is known better than from `fps`: an animated picture says it
    /// frame by frame. transformers has no such thing.
    pub frame_times: Option<Vec<f64>>,
}

impl ClipInfo {
    /// A clip of `num_frames` frames at `fps` frames a second.
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
    /// (`VideoMetadata.timestamps` of transformers 5.23), 24 frames a second assumed where they are not known.
    #[must_use]
    pub fn frame_timestamps(&self, indices: &[usize]) -> Vec<f64> {
        let times = self.frame_times.as_deref().unwrap_or(&[]);
        let fps = self.fps.unwrap_or(ASSUMED_FPS);
        let time = |&index: &usize| times.get(index).copied().unwrap_or(index as f64 / fps);
        indices.iter().map(time).collect()
    }

    /// The seconds that the prompt names, one for each of `temporal_patches`, as transformers 5.23 takes them
    /// (`Glm4vProcessor.replace_video_token` and `Glm46VProcessor`'s): those of every other sampled frame whatever
    /// `temporal_patch_size` is, cut off or the last one repeated. (The former then writes them as integers, the latter
    /// with one decimal.)
    #[must_use]
    pub fn prompt_timestamps(&self, indices: &[usize], temporal_patches: usize) -> Vec<f64> {
        let frames = self.frame_timestamps(indices);
        let mut seconds: Vec<f64> = frames
            .into_iter()
            .step_by(2)
            .take(temporal_patches)
            .collect();
        let last = seconds.last().copied().unwrap_or(0.0);
        seconds.resize(temporal_patches, last);
        seconds
    }

    pub(crate) fn check(&self) -> Result<(), PreprocessError> {
        let refuse = |expected, found| Err(PreprocessError::ClipInfo { expected, found });
        if self.num_frames > MAX_FRAMES {
            return Err(PreprocessError::TooLarge {
                what: "frames of a clip",
                limit: MAX_FRAMES as u64,
                found: self.num_frames.to_string(),
            });
        }
        if let Some(times) = self.frame_times.as_ref().map(Vec::len)
            && times != self.num_frames
        {
            let found = format!("{times} of {}", self.num_frames);
            return refuse("with a time for each frame", found);
        }
        match *self {
            Self { num_frames: 0, .. } => refuse("of at least 1 frame", "none".into()),
            Self { fps: Some(fps), .. } if !(fps > 0.0 && fps.is_finite()) => {
                refuse("of a positive number of frames a second", fps.to_string())
            }
            Self {
                duration: Some(seconds),
                ..
            } if !(seconds >= 0.0 && seconds.is_finite()) => {
                refuse("of 0 or more seconds", seconds.to_string())
            }
            _ => Ok(()),
        }
    }
}

/// A clip's patch rows, and the frames they are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// The rows, and the one grid [t, h, w] they belong to.
    pub patches: Patches,
    /// The frames taken, counted from 0 in the whole clip, in order. The last may stand twice, so that the number is
    /// even; repeats that only fill the last temporal patch are not listed.
    pub frames_indices: Vec<usize>,
    /// When each of `frames_indices` is shown, in seconds.
    pub frame_timestamps: Vec<f64>,
    /// The seconds that the prompt names for each of the t temporal patches ([`ClipInfo::prompt_timestamps`]).
    pub timestamps: Vec<f64>,
}

/// As many frames as are sampled: a tiny frame rate would otherwise be asked for the same one for ever.
pub(crate) fn check_sampled(count: usize) -> Result<usize, PreprocessError> {
    if count <= MAX_FRAMES {
        return Ok(count);
    }
    Err(PreprocessError::TooLarge {
        what: "sampled frames",
        limit: MAX_FRAMES as u64,
        found: count.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_name_every_other_frame() {
        let info = ClipInfo::new(9, 2.0);
        let indices = [0, 1, 2, 3, 7, 7];
        assert_eq!(
            info.frame_timestamps(&indices),
            [0.0, 0.5, 1.0, 1.5, 3.5, 3.5]
        );
        assert_eq!(info.prompt_timestamps(&indices, 3), [0.0, 1.0, 3.5]);
        assert_eq!(info.prompt_timestamps(&indices, 2), [0.0, 1.0]);
        assert_eq!(
            info.prompt_timestamps(&indices, 5),
            [0.0, 1.0, 3.5, 3.5, 3.5]
        );
        assert_eq!(info.prompt_timestamps(&[], 1), [0.0]);
    }

    #[test]
    fn known_times_are_told() {
        let info = ClipInfo {
            frame_times: Some(vec![0.0, 0.1, 0.7]),
            ..ClipInfo::new(3, 4.0)
        };
        assert_eq!(info.frame_timestamps(&[0, 2, 2]), [0.0, 0.7, 0.7]);
        assert_eq!(info.prompt_timestamps(&[0, 1, 2, 2], 2), [0.0, 0.7]);
        let short = ClipInfo {
            num_frames: 4,
            ..info
        };
        let message = short.check().unwrap_err().to_string();
        assert!(message.ends_with("found 3 of 4"), "{message}");
    }

    #[test]
    fn an_unknown_rate_is_24_frames_a_second() {
        let info = ClipInfo {
            fps: None,
            ..ClipInfo::new(99, 1.0)
        };
        assert_eq!(info.frame_timestamps(&[0, 12]), [0.0, 0.5]);
        assert!(info.check().is_ok());
    }

    #[test]
    fn refusals_say_what_was_found() {
        let clip = |num_frames, fps, duration| ClipInfo {
            duration: Some(duration),
            ..ClipInfo::new(num_frames, fps)
        };
        assert!(clip(1, 1.0, 0.0).check().is_ok());
        for (info, found) in [
            (clip(0, 1.0, 1.0), "none"),
            (clip(1, 0.0, 1.0), "found 0"),
            (clip(1, f64::NAN, 1.0), "NaN"),
            (clip(1, 1.0, -2.0), "-2"),
            (clip(1, 1.0, f64::INFINITY), "inf"),
            (clip(usize::MAX, 1.0, 1.0), "16777216 frames"),
        ] {
            let message = info.check().unwrap_err().to_string();
            assert!(message.contains(found), "{message}");
        }
    }
}
