use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::validate::check_positive;

/// How frames are sampled from a video: some fields of `video_preprocessor_config.json`.
///
/// Both rules ignore the fields `num_frames` and `max_image_size`, as transformers does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameSampling {
    /// The rule.
    pub video_processor_type: SamplingRule,
    /// Whether to sample frames. Otherwise every frame is used.
    pub do_sample_frames: bool,
    /// Sampled frames per second. Only [`SamplingRule::Glm4v`] uses it.
    pub fps: f64,
    /// The longest video, in seconds, that is sampled at `fps`. A longer video gets `max_duration · fps` frames in all.
    /// Only [`SamplingRule::Glm4v`] uses it.
    pub max_duration: f64,
}

impl Default for FrameSampling {
    fn default() -> Self {
        Self {
            video_processor_type: SamplingRule::default(),
            do_sample_frames: true,
            fps: 2.0,
            max_duration: 300.0,
        }
    }
}

impl FrameSampling {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        check_positive("fps", self.fps)?;
        check_positive("max_duration", self.max_duration)
    }
}

/// How frames are sampled: as `sample_frames` does in a video processor of transformers 5.23.
///
/// The file chooses the rule by the class name of the video processor. Other names are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamplingRule {
    /// `fps` frames per second. GLM-4.1V and GLM-4.5V use it, and so do files without a class name.
    #[default]
    #[serde(rename = "Glm4vVideoProcessor")]
    Glm4v,
    /// 3, 1 or 0.5 temporal patches per second, depending on the duration, and at most 640 frames. GLM-4.6V and GLM-OCR
    /// use it.
    #[serde(rename = "Glm46VVideoProcessor")]
    Glm46v,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_the_name_of_its_class() {
        for (rule, name) in [
            (SamplingRule::Glm4v, r#""Glm4vVideoProcessor""#),
            (SamplingRule::Glm46v, r#""Glm46VVideoProcessor""#),
        ] {
            assert_eq!(serde_json::to_string(&rule).unwrap(), name);
            assert_eq!(serde_json::from_str::<SamplingRule>(name).unwrap(), rule);
        }
    }

    #[test]
    fn both_numbers_must_be_positive() {
        for (fps, max_duration, field) in [(-1.0, 1.0, "`fps`"), (1.0, f64::NAN, "`max_duration`")]
        {
            let sampling = FrameSampling {
                fps,
                max_duration,
                ..FrameSampling::default()
            };
            let message = sampling.validate().unwrap_err().to_string();
            assert!(message.contains(field), "{message}");
        }
    }
}
